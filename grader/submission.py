"""Reads what was handed in: bytes, syntax, names, import policy. Never imports it."""

from __future__ import annotations

import ast
import hashlib
import os
import stat
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

MAX_FILES = 200
MAX_BYTES = 1_000_000  # of all files together
MAX_FILE_BYTES = 100_000  # a tree of syntax takes up to 800 times the bytes of its text
_MAX_ENTRIES = 20_000  # files and folders that are looked at
_SKIPPED_FOLDERS = {"__pycache__", "node_modules", "site-packages", "venv"}

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


class UnusableInput(Exception):
    """The path given is nothing that can be graded. The message says what to do."""


@dataclass(frozen=True)
class Violation:
    """A line of the submission that breaks the import policy."""

    file: str
    line: int
    what: str


@dataclass(frozen=True)
class Submission:
    """What was handed in.

    files: relative path -> bytes; main: the one that holds the exercise; package: the name to
    load everything under when files import one another relatively; syntax_error: ready to show;
    unwritten: classes whose forward is empty.
    """

    path: str
    folder: str
    main: str
    files: dict[str, bytes]
    sha256: str
    package: str | None = None
    syntax_error: str | None = None
    violations: tuple[Violation, ...] = field(default=())
    unwritten: frozenset[str] = frozenset()


def read(path: Path, main: str) -> Submission:
    """Read a file, or a folder that has the file `main`. Raises UnusableInput."""
    try:
        if path.is_dir():
            root, main_name, files = path, main, _read_folder(path, main)
        else:
            root, main_name = path.parent, path.name
            files = {path.name: _read_file(path)}
    except OSError as error:
        raise UnusableInput(f"{path}: cannot be read ({error.strerror})") from error
    digest = hashlib.sha256()
    for name, text in sorted(files.items()):
        digest.update(os.fsencode(f"{name}\0{len(text)}\0") + text)
    facts = _Facts()
    for name, text in files.items():
        facts.add(name, text, set(files))
        if facts.syntax_error is not None:
            facts = _Facts(syntax_error=facts.syntax_error)
            break
    return Submission(
        path=str(path),
        folder=str(root),
        main=main_name,
        files=files,
        sha256=digest.hexdigest(),
        package="submission" if facts.relative else None,
        syntax_error=facts.syntax_error,
        violations=tuple(facts.violations),
        unwritten=frozenset(facts.unwritten),
    )


@dataclass
class _Facts:
    """What the syntax of the files says, one file's tree at a time."""

    relative: bool = False  # whether files import one another relatively
    syntax_error: str | None = None
    violations: list[Violation] = field(default_factory=list)
    unwritten: list[str] = field(default_factory=list)

    def add(self, name: str, text: bytes, names: Collection[str]) -> None:
        """Take in the file `name`, one of `names`."""
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
        self.violations += _violations(name, nodes, names)
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


def _read_file(path: Path) -> bytes:
    if not path.exists():
        raise UnusableInput(
            f"{path}: no such file or folder. Give the file with your classes, or its folder."
        )
    if not stat.S_ISREG(path.stat().st_mode):
        raise UnusableInput(f"{path}: not a regular file. Give a Python file or a folder.")
    if path.suffix != ".py":
        raise UnusableInput(
            f"{path}: not a Python file. Give a file that ends in .py, or a folder."
        )
    with path.open("rb") as file:
        text = file.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        raise UnusableInput(f"{path}: larger than {MAX_FILE_BYTES:,} bytes. Hand in the code only.")
    return text


def _read_folder(root: Path, main: str) -> dict[str, bytes]:
    if not (root / main).is_file():
        found = ", ".join(sorted(p.name for p in root.glob("*.py"))[:8]) or "no Python file"
        raise UnusableInput(f"{root}: expected {main} in this folder, found {found}.")
    if (root / main).is_symlink():
        raise UnusableInput(f"{root / main}: a symbolic link. Hand in the file itself.")
    files: dict[str, bytes] = {}
    size = 0
    for file in sorted(_python_files(root)):
        text = _read_file(file)
        size += len(text)
        if len(files) == MAX_FILES or size > MAX_BYTES:
            raise UnusableInput(
                f"{root}: more than {MAX_FILES} Python files or {MAX_BYTES:,} bytes. "
                "Give a folder with only the submission in it."
            )
        files[file.relative_to(root).as_posix()] = text
    return files


def _python_files(root: Path) -> Iterator[Path]:
    """Regular Python files below a folder, links left out, in no order. Raises UnusableInput."""
    entries = 0
    for folder, inside, names in os.walk(root):
        entries += len(inside) + len(names)
        if entries > _MAX_ENTRIES:
            raise UnusableInput(
                f"{root}: more than {_MAX_ENTRIES:,} files and folders. "
                "Give a folder with only the submission in it."
            )
        inside[:] = [n for n in inside if not n.startswith(".") and n not in _SKIPPED_FOLDERS]
        for name in names:
            file = Path(folder, name)
            wanted = file.suffix == ".py" and not name.startswith(".")
            if wanted and not file.is_symlink() and file.is_file():
                yield file


def _show(name: str, error: SyntaxError) -> str:
    """The message with the line and a caret below the place."""
    place = f"{name}, line {error.lineno}: {error.msg}"
    if not error.text:
        return place
    line = error.text.rstrip("\n").expandtabs(1)
    shown = line.lstrip()
    caret = max((error.offset or 1) - 1 - (len(line) - len(shown)), 0)
    return f"{place}\n    {shown}\n    {' ' * caret}^"


def _violations(name: str, nodes: Iterable[ast.AST], names: Collection[str]) -> Iterator[Violation]:
    """Lines of a file that import what is not allowed or name a ready-made Transformer."""
    own = {other.split("/")[0].removesuffix(".py") for other in names}
    allowed = sys.stdlib_module_names | {"torch"} | own
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
