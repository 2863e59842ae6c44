"""Turns submitted bytes into real modules, without touching the disk.

Modules are found under their own names (`import layers`), in `sys.modules`, with file names and
with sources in `linecache`, so dataclasses, tracebacks and `inspect` work as they do at home.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import importlib
import importlib.machinery
import importlib.util
import linecache
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from types import CodeType, ModuleType

from torch import nn

# A submission's own files never replace these.
_RESERVED = frozenset(sys.stdlib_module_names) | {"torch", "numpy"}


class SubmissionFinder(MetaPathFinder, InspectLoader):
    """Finds and loads the modules of one submission.

    files: paths relative to the submission's folder ("layers.py", "model/attention.py") and texts.
    package: if given, everything is found below a package of that name, for relative imports.
    only: lines on which statements begin, by file; then each of these runs, and nothing else, and
    one that fails is noted in `failed` and left out.
    """

    def __init__(
        self,
        folder: str,
        files: Mapping[str, bytes],
        package: str | None,
        only: Mapping[str, Collection[int]] | None = None,
    ) -> None:
        self.folder = folder
        self.package = package
        self.only = only
        self.failed: list[tuple[BaseException, list[str]]] = []  # with names not bound by that
        self.files = dict(files)
        self.names = {f"{folder}/{path}" for path in files}
        for path, text in files.items():
            name = f"{folder}/{path}"
            lines = text.decode("utf-8", "replace").splitlines(keepends=True)
            linecache.cache[name] = (len(text), None, lines, name)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module that is among the submitted files, or None."""
        relative = self._relative(fullname)
        if relative is None:
            return None
        file, is_package = self._locate(relative)
        if file is None and not is_package:
            return None
        spec = importlib.machinery.ModuleSpec(
            fullname, self, origin=f"{self.folder}/{file or relative}", is_package=is_package
        )
        spec.has_location = file is not None
        return spec

    def _relative(self, fullname: str) -> str | None:
        """The path of a module below the folder, without its ending."""
        parts = fullname.split(".")
        if self.package is not None and parts[0] == self.package:
            return "/".join(parts[1:])
        return None if parts[0] in _RESERVED else "/".join(parts)

    def _locate(self, relative: str) -> tuple[str | None, bool]:
        """The file of a module, if it has one, and whether it is a package."""
        init = f"{relative}/__init__.py" if relative else "__init__.py"
        if init in self.files:
            return init, True
        if f"{relative}.py" in self.files:
            return f"{relative}.py", False
        folder = f"{relative}/" if relative else ""
        return None, any(path.startswith(folder) for path in self.files)

    def get_source(self, fullname: str) -> str:
        """The text of a module, decoded as Python would decode it."""
        relative = self._relative(fullname)
        file = None if relative is None else self._locate(relative)[0]
        return "" if file is None else importlib.util.decode_source(self.files[file])

    def get_code(self, fullname: str) -> CodeType:
        """The compiled text of a module. Raises SyntaxError."""
        relative = self._relative(fullname) or ""
        file = self._locate(relative)[0]
        name = f"{self.folder}/{file or relative}"
        source = b"" if file is None else self.files[file]
        return compile(source, name, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        """Run a module whole, or statement by statement."""
        if self.only is None:
            super().exec_module(module)
            return
        builtins.input = _nothing_typed
        relative = self._relative(module.__name__) or ""
        file = self._locate(relative)[0]
        for code, names in self._statements(file) if file is not None else ():
            try:
                exec(code, vars(module))  # what a loader is for
            except BaseException as error:
                self.failed.append((error, names))

    def _statements(self, file: str) -> Iterator[tuple[CodeType, list[str]]]:
        """The statements of a file that are wanted, each with what it defines."""
        name = f"{self.folder}/{file}"
        tree = ast.parse(self.files[file], name)
        wanted = set((self.only or {}).get(file, ()))
        flags = 0
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                for alias in node.names:
                    flags |= getattr(__future__, alias.name).compiler_flag
            elif {node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))} & wanted:
                module = ast.Module([node], [])
                code = compile(module, name, "exec", flags=flags, dont_inherit=True)
                yield code, [node.name] if isinstance(node, ast.ClassDef | ast.FunctionDef) else []

    def is_package(self, fullname: str) -> bool:
        """Whether a module is a package (needed by `inspect` and `importlib.resources`)."""
        relative = self._relative(fullname)
        return relative is not None and self._locate(relative)[1]


def hide_the_kit() -> None:
    """Take the kit's own modules out of where Python keeps all of them.

    No boundary: frames and objects still lead there. The classes of models that a submission is
    given stay, since a copy by pickle looks them up.
    """
    for name in [*sys.modules]:
        if name.split(".")[0] == "grader" and not name.endswith(".stand_ins"):
            module = sys.modules.pop(name)
            if name.endswith(".in_worker"):
                sys.modules[name] = _only_models(module)


def _only_models(module: ModuleType) -> ModuleType:
    """A module of the same name with nothing in it but this one's classes of models."""
    shown = ModuleType(module.__name__)
    for key, item in vars(module).items():
        if isinstance(item, type) and issubclass(item, nn.Module):
            setattr(shown, key, item)
    return shown


def _nothing_typed(prompt: object = "") -> str:
    """What `input` gives where nobody is there to type: a value that depends on it is one, too."""
    return ""


def load(finder: SubmissionFinder, main: str) -> ModuleType:
    """Import a file of the submission (such as "gpt2.py") and return its module."""
    if finder not in sys.meta_path:
        sys.meta_path.insert(0, finder)
    name = main.removesuffix(".py").replace("/", ".")
    return importlib.import_module(name if finder.package is None else f"{finder.package}.{name}")
