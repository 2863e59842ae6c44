"""The code that counts: a file of any kind as Python, and what it imports from beside it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from grader.submission.files import MAX_BYTES, MAX_FILES, NOTEBOOKS, PAGES, Tree, UnusableInput
from grader.submission.notebook import as_python, is_export, is_notebook, without_runs
from grader.submission.page import as_text, is_page
from grader.submission.syntax import readable
from grader.submission.text import Text, parsed, plain

_NOT_OWN = sys.stdlib_module_names | {"torch"}


@dataclass(frozen=True)
class Found:
    """The file that counts and what it imports.

    folder: where in the tree the names of the files begin; main: the file that counts; text: its
    text, with what was done to it; files: texts by name, with that of `main`.
    """

    folder: str
    main: str
    text: Text
    files: dict[str, bytes]


def gather(path: Path, tree: Tree, place: str, names: Collection[str] = ()) -> Found:
    """A file with what it imports from beside it, even through another. Raises UnusableInput or
    OSError.
    """
    text = text_of(tree.read(place), place, names)
    up = 0
    while True:
        parts = PurePosixPath(place).parts
        cut = max(len(parts) - 1 - up, 0)
        folder, main = "/".join(parts[:cut]), "/".join(parts[cut:])
        collector = _Collector(path, tree, folder, text.beside)
        files = collector.collect(main, text.text)
        if not collector.higher or cut == 0:
            return Found(folder, main, text, files)
        up += 1


def text_of(raw: bytes, place: str, names: Collection[str] = ()) -> Text:
    """The Python text of a file of any kind."""
    if place.lower().endswith(NOTEBOOKS) or is_notebook(raw):
        return as_python(raw, names)
    if place.lower().endswith(PAGES) or is_page(raw):
        return as_text(raw)
    found = plain(raw)
    return without_runs(found, names) if names and is_export(found.text) else found


@dataclass
class _Collector:
    """Collects what files import. higher: whether one imports from above the folder."""

    path: Path
    tree: Tree
    folder: str
    beside: Mapping[str, bytes]
    higher: bool = False
    files: dict[str, bytes] = field(default_factory=dict)

    def collect(self, main: str, text: bytes) -> dict[str, bytes]:
        self.files[main] = text
        waiting = [main]
        while waiting:
            name = waiting.pop()
            for wanted in self._imported(name):
                found = None if wanted in self.files else self._read(wanted)
                if found is not None:
                    self.files[wanted] = found
                    waiting.append(wanted)
        size = sum(map(len, self.files.values()))
        if len(self.files) > MAX_FILES or size > MAX_BYTES:
            raise UnusableInput(
                f"{self.path}: more than {MAX_FILES} Python files or {MAX_BYTES:,} bytes."
            )
        return self.files

    def _imported(self, name: str) -> Iterator[str]:
        """Names that files may have which a file imports."""
        tree = parsed(self.files[name])
        if tree is None and (found := readable(name, self.files[name])) is not None:
            tree = found.tree
        folders = PurePosixPath(name).parts[:-1]
        for level, module in imports(tree) if tree is not None else ():
            if level - 1 > len(folders):
                self.higher = True
                continue
            start = folders[: len(folders) - level + 1] if level else ()
            parts = (*start, *module.split(".")) if module else start
            if not all(map(str.isidentifier, parts)) or (level == 0 and parts[0] in _NOT_OWN):
                continue
            for end in range(1, len(parts) + 1):
                stem = "/".join(parts[:end])
                yield f"{stem}/__init__.py"
                yield f"{stem}.py"

    def _read(self, name: str) -> bytes | None:
        """The text of a file that is imported by this name: from beside, or from further up."""
        if name in self.beside:
            return self.beside[name]
        folder = PurePosixPath(self.folder)
        for above in (folder, *folder.parents):
            for place in ((above / name).as_posix(), (above / f"{name}.txt").as_posix()):
                if self.tree.has(place):
                    return text_of(self.tree.read(place), place).text
        return self._from_a_path_of_its_own(name)

    def _from_a_path_of_its_own(self, name: str) -> bytes | None:
        """The same from anywhere in the hand-in, where a file puts folders on sys.path, and only
        one has such a file.
        """
        if not any(b"sys.path" in text for text in self.files.values()):
            return None
        found = [place for place in self.tree if place.endswith(f"/{name}")]
        return text_of(self.tree.read(found[0]), found[0]).text if len(found) == 1 else None


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """What a text may import: (dots in front, name of a module or of something in one)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield node.level, base
            yield from (
                (node.level, f"{base}.{alias.name}".lstrip("."))
                for alias in node.names
                if alias.name != "*"
            )
        elif isinstance(node, ast.Call) and _calls_import(node.func):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                name = first.value.lstrip(".")
                yield len(first.value) - len(name), name


def _calls_import(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")
