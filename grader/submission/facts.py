"""What the syntax of a submission's files says: errors, policy, what is unwritten."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

# Whole Transformers that torch ships: what the exercise asks a candidate to write.
FORBIDDEN_NAMES = frozenset(
    {
        "MultiheadAttention",
        "Transformer",
        "TransformerEncoder",
        "TransformerEncoderLayer",
        "TransformerDecoder",
        "TransformerDecoderLayer",
        "multi_head_attention_forward",
        "_native_multi_head_attention",
        "_transformer_encoder_layer_fwd",
    }
)


@dataclass(frozen=True)
class Violation:
    """A line of the submission that breaks the import policy."""

    file: str
    line: int
    what: str


@dataclass
class Facts:
    """What the syntax of the files says, one file's tree at a time."""

    relative: bool = False  # whether files import one another relatively
    syntax_error: str | None = None
    violations: list[Violation] = field(default_factory=list)
    unwritten: list[str] = field(default_factory=list)

    def add(
        self, name: str, text: bytes, names: Collection[str], imports: Collection[str] = ()
    ) -> None:
        """Take in the file `name`, one of `names`. imports: further modules that it may have."""
        if b"\0" in text:
            self.syntax_error = f"{name}: it has NUL bytes, as UTF-16 does. Save it as UTF-8."
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text, filename=name)
        except SyntaxError as error:
            self.syntax_error = _show(name, error)
            return
        except (ValueError, RecursionError, MemoryError) as error:
            self.syntax_error = f"{name}: cannot be parsed ({type(error).__name__}: {error})"
            return
        nodes = list(ast.walk(tree))
        self.relative |= any(isinstance(node, ast.ImportFrom) and node.level > 0 for node in nodes)
        self.violations += _violations(name, nodes, names, imports)
        self.unwritten += _unwritten(nodes)


def _unwritten(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names of classes with a forward of which only a docstring, `...` or `pass` is there."""
    for node in nodes:
        if not isinstance(node, ast.ClassDef):
            continue
        for item in node.body:
            if not isinstance(item, ast.FunctionDef) or item.name != "forward":
                continue
            if all(_does_nothing(statement) for statement in item.body):
                yield node.name


def _does_nothing(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass | ast.Raise)


def _show(name: str, error: SyntaxError) -> str:
    """The message with the line and a caret below the place."""
    place = f"{name}, line {error.lineno}: {error.msg}"
    if not error.text:
        return place
    line = error.text.rstrip("\n").expandtabs(1)
    shown = line.lstrip()
    caret = max((error.offset or 1) - 1 - (len(line) - len(shown)), 0)
    return f"{place}\n    {shown}\n    {' ' * caret}^"


def _violations(
    name: str, nodes: Iterable[ast.AST], names: Collection[str], imports: Collection[str]
) -> Iterator[Violation]:
    """Lines of a file that import what is not allowed or name a ready-made Transformer."""
    own = {other.split("/")[0].removesuffix(".py") for other in names}
    allowed = sys.stdlib_module_names | {"torch"} | own | set(imports)
    for node in nodes:
        line = getattr(node, "lineno", 0)
        for module in _imported(node):
            if module.split(".")[0] not in allowed:
                yield Violation(name, line, f"imports {module}")
        for word in _names(node):
            if word in FORBIDDEN_NAMES:
                yield Violation(name, line, f"uses torch's {word}")


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module]
    return []


def _names(node: ast.AST) -> list[str]:
    """Names by which this node reaches into another module: `nn.X`, `from torch… import X`."""
    if isinstance(node, ast.Attribute):
        own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        return [] if own else [node.attr]
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch":
        return [alias.name for alias in node.names]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
        return [str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)]
    return []
