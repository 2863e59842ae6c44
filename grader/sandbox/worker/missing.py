"""Stands for packages that a submission imports and that are not installed here.

To import one does no harm; whoever uses it is told what is missing. Its names may stand in
annotations, as they do where the package is installed.
"""

from __future__ import annotations

import importlib.machinery
from collections.abc import Collection, Sequence
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType
from typing import Any, NoReturn


class MissingPackages(MetaPathFinder, Loader):
    """Finds packages of these names, after all who might really have them. They are empty."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = frozenset(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module of one of these packages, or None."""
        if fullname.split(".")[0] not in self.names:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """A module every name of which is there."""
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is in it."""


class _Module(ModuleType):
    __all__ = ()

    def __getattr__(self, name: str) -> _Name:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(f"{self.__name__}.{name}")


class _Name:
    """Something of a package that is missing."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __getattr__(self, name: str) -> _Name:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(f"{self._path}.{name}")

    def __getitem__(self, key: object) -> _Name:
        return self

    def __or__(self, other: object) -> _Name:
        return self

    __ror__ = __or__

    def __call__(self, *arguments: object, **options: object) -> Any:
        self._missed()

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        self._missed()

    def __iter__(self) -> Any:
        self._missed()

    def __enter__(self) -> Any:
        self._missed()

    def __exit__(self, *raised: object) -> None:
        """Nothing was entered."""

    def _missed(self) -> NoReturn:
        package = self._path.split(".")[0]
        words = f"{self._path} is used here, and the package {package} is not installed"
        raise ModuleNotFoundError(words, name=package)
