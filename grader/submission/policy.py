"""What a submission uses that the policy forbids, and which of its classes use it."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from grader.submission.reach import Place, Program, Reached
from grader.submission.scopes import ALL, Importing, Statement, imported, root

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
    """A line that breaks the import policy.

    package: the one that is imported, "" for torch itself; users: the classes or functions of the
    exercise that need it; none if it is of no consequence for them.
    """

    file: str
    line: int
    what: str
    package: str = ""
    users: tuple[str, ...] = ()


def violations(
    program: Program, starts: Mapping[str, Place], imports: Collection[str]
) -> tuple[Violation, ...]:
    """The forbidden things that the files have. starts: where each class or function of the
    exercise is, and under which name; imports: modules that are allowed besides torch.
    """
    reader = _Reader(program, imports)
    found: dict[Violation, list[str]] = {violation: [] for violation in reader.everywhere()}
    names = {name for _, name in starts.values()}
    for name, place in starts.items():
        reached = program.reach([place], names - {place[1]}, annotations=False)
        for violation in reader.reached(reached):
            found.setdefault(violation, []).append(name)
    used = {(v.file, v.package) for v, users in found.items() if users}
    return tuple(
        replace(violation, users=tuple(users))
        for violation, users in found.items()
        if users or (violation.file, violation.package) not in used
    )


class _Reader:
    """Reads statements for forbidden things."""

    def __init__(self, program: Program, imports: Collection[str]) -> None:
        self._program = program
        self._own = {file.split("/")[0].removesuffix(".py") for file in program.statements}
        self._allowed = sys.stdlib_module_names | {"torch"} | self._own | set(imports)
        self._known = {file: self._ones_own(every) for file, every in program.statements.items()}

    def everywhere(self) -> Iterator[Violation]:
        """All forbidden things, used or not."""
        for every in self._program.statements.values():
            for statement in every:
                yield from self._inside(statement, statement.imports)

    def reached(self, reached: Reached) -> Iterator[Violation]:
        """The forbidden things in what was reached."""
        found: dict[Violation, None] = {}
        for statement in reached.statements.values():
            found |= dict.fromkeys(self._inside(statement, statement.inner))
        for file, name in reached.names:
            found |= dict.fromkeys(self._bound(file, name))
        yield from found

    def _bound(self, file: str, name: str) -> Iterator[Violation]:
        """What an import at the top level binds a name to."""
        every = self._program.statements[file]
        known = hasattr(builtins, name) or any(name in s.binds for s in every)
        for statement in every:
            for node in statement.outer:
                for bound, alias in imported(node).items():
                    if bound == name or (bound == ALL and not known):
                        yield from self._of_import(file, node, alias)
                        if bound == ALL and name in FORBIDDEN_NAMES:
                            yield Violation(file, node.lineno, f"uses torch's {name}")

    def _inside(self, statement: Statement, nodes: Iterable[Importing]) -> Iterator[Violation]:
        """Imports of a statement, and names by which it reaches into torch."""
        for node in nodes:
            for alias in node.names:
                yield from self._of_import(statement.file, node, alias)
        for word, line in self._words(statement):
            if word in FORBIDDEN_NAMES:
                yield Violation(statement.file, line, f"uses torch's {word}")

    def _of_import(self, file: str, node: Importing, alias: ast.alias) -> Iterator[Violation]:
        module = alias.name if isinstance(node, ast.Import) else node.module or ""
        package = module.split(".")[0]
        relative = isinstance(node, ast.ImportFrom) and node.level > 0
        if not relative and package not in self._allowed:
            yield Violation(file, node.lineno, f"imports {module}", package)
        elif package == "torch" and alias.name in FORBIDDEN_NAMES:
            yield Violation(file, node.lineno, f"uses torch's {alias.name}")

    def _words(self, statement: Statement) -> Iterator[tuple[str, int]]:
        for node in ast.walk(statement.node):
            if isinstance(node, ast.Attribute) and root(node) not in self._known[statement.file]:
                yield node.attr, node.lineno
            elif isinstance(node, ast.Call) and root(node.func) == "getattr":
                for given in node.args:
                    if isinstance(given, ast.Constant):
                        yield str(given.value), node.lineno

    def _ones_own(self, every: Sequence[Statement]) -> set[str]:
        """Names that stand for nothing but classes, functions and modules of one's own."""
        own, others = {"self", "cls"}, set[str]()
        for statement in every:
            node = statement.node
            mine = isinstance(node, ast.ClassDef | ast.FunctionDef)
            if isinstance(node, ast.ImportFrom):
                mine = node.level > 0 or (node.module or "").split(".")[0] in self._own
            elif isinstance(node, ast.Import):
                mine = all(alias.name.split(".")[0] in self._own for alias in node.names)
            (own if mine else others).update(statement.binds)
        return own - others
