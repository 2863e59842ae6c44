"""The submission: a folder whose files are the exercises. One's own code, imported as it is."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from lab.errors import LabError

FILES = (
    "gpt2",
    "generation",
    "kv_cache",
    "training",
    "tokenizer",
    "pretrained",
    "classification",
)


class Submission:
    """Functions and classes by file and name. A file is imported when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        if not self.folder.is_dir():
            raise LabError(
                f"there is no folder {folder} with a submission; name one with --submission"
            )

    def get(self, file: str, name: str) -> Any:
        """The function or class `name` of `file`.py. Raises LabError if there is none."""
        try:
            return getattr(self._module(file), name)
        except AttributeError:
            raise LabError(f"{self.folder / file}.py has no {name}") from None

    def has(self, file: str, name: str) -> bool:
        """Whether there is such a function or class."""
        return (self.folder / f"{file}.py").is_file() and hasattr(self._module(file), name)

    def _module(self, file: str) -> ModuleType:
        path = self.folder / f"{file}.py"
        if not path.is_file():
            raise LabError(f"this needs {file}.py, which is not in {self.folder}")
        loaded = sys.modules.get(file)
        if loaded is not None and Path(loaded.__file__ or "").resolve() == path:
            return loaded
        # The files know each other by these names, so they are of one folder at a time.
        for name in FILES:
            module = sys.modules.get(name)
            if module is not None and Path(module.__file__ or "").resolve().parent != self.folder:
                del sys.modules[name]
        if str(self.folder) in sys.path:
            sys.path.remove(str(self.folder))
        sys.path.insert(0, str(self.folder))
        try:
            return importlib.import_module(file)
        except ImportError as error:
            raise LabError(f"{path} cannot be imported: {error}") from error
        except SyntaxError as error:
            raise LabError(f"{path} is no Python: {error}") from error


def unwritten(error: NotImplementedError) -> str:
    """Which function of the submission is still a stub."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.name} in {frame.filename} is not written yet"
