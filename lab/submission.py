"""The submission: one's own files, imported as they are, and the worked solution's for the rest."""

from __future__ import annotations

import hashlib
import importlib
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from grader.catalogue import EXERCISES
from grader.submission import MissingFile, UnusableInput, read
from lab.errors import LabError

SOLUTIONS = Path(__file__).parents[1] / "solutions"
_FILES = {exercise.file for exercise in EXERCISES.values()}
YOURS, SOLVED = "yours", "the worked solution's"
# They reach into the model: the worked solution's fit no other model than its own.
_INSEPARABLE = {"kv_cache": "gpt2", "pretrained": "gpt2"}


@dataclass(frozen=True)
class Source:
    """A file that is run: where it is, whose, and the hash of its text."""

    path: Path
    whose: str
    sha256: str


class Submission:
    """Functions and classes by file and name. A file is imported when it is first asked for.

    path: a folder whose files are the exercises, or the file of a GPT2 with the others beside it.
    What is not there, or still a stub, is the worked solution's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        if not self.path.exists():
            raise LabError(
                f"there is no file or folder {path} with a submission; name one with --submission"
            )
        self.folder = self.path if self.path.is_dir() else self.path.parent
        self._places: dict[str, Path | None] = {}
        self._modules: dict[str, ModuleType] = {}  # all that came with it, helpers too

    def get(self, file: str, name: str) -> Any:
        """The function or class `name` of `file`.py. Raises LabError if there is none."""
        try:
            return getattr(self._module(file), name)
        except AttributeError:
            raise LabError(f"{self.place(file)} has no {name}") from None

    def has(self, file: str, name: str) -> bool:
        """Whether there is such a function or class."""
        return self.place(file) is not None and hasattr(self._module(file), name)

    def place(self, file: str) -> Path | None:
        """Where `file`.py is taken from; None if nobody has written one that fits."""
        if file not in self._places:
            own = self._own(file) if self.folder != SOLUTIONS else None
            self._places[file] = own or self._solved(file)
        return self._places[file]

    def whose(self, path: Path) -> str:
        """YOURS or SOLVED."""
        return SOLVED if path.parent == SOLUTIONS else YOURS

    def owns(self, path: Path) -> bool:
        """Whether that is code which it runs: one's own, or the worked solution's."""
        return path in self._places.values() or _lies_in(path, self.folder)

    def names(self) -> list[str]:
        """Under which names its files have been imported so far."""
        return list(self._modules)

    def sources(self) -> dict[str, Source]:
        """What has been imported so far, by its name: "gpt2.py", and helpers of one's own."""
        found = {}
        for name, module in sorted(self._modules.items()):
            path = _file_of(module)
            named = f"{name}.py" if name in EXERCISES else path.relative_to(self.folder).as_posix()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[named] = Source(path, self.whose(path), digest)
        return found

    def digest(self, file: str) -> str:
        """A hash of a file's text, and of those of its helpers."""
        self._module(file)
        others = {f"{name}.py" for name in EXERCISES if name != file}
        parts = [f"{k} {s.sha256}" for k, s in self.sources().items() if k not in others]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _own(self, file: str) -> Path | None:
        """One's own, if there is more than a stub. Raises LabError for what cannot be read."""
        exercise = EXERCISES[file]
        path = self.path if file == "gpt2" else self.folder / exercise.file
        if not path.exists():
            return None
        try:
            found = read(path, exercise.file, _FILES - {exercise.file}, names=exercise.names)
        except MissingFile:
            return None
        except UnusableInput as error:
            raise LabError(str(error)) from error
        place = Path(found.folder) / found.main
        if not place.is_file() or place.suffix != ".py":
            raise LabError(
                f"{path}: the lab imports Python files as they lie there; expected {exercise.file} "
                f"or a folder with it, found {found.main}. Save its code as {exercise.file}"
            )
        written = found.error or set(exercise.names) - found.stubs - found.unwritten
        return place.resolve() if written else None

    def _solved(self, file: str) -> Path | None:
        """The worked solution's, if it goes with what it builds on."""
        base = _INSEPARABLE.get(file)
        path = SOLUTIONS / f"{file}.py"
        fits = base is None or self.place(base) == SOLUTIONS / f"{base}.py"
        return path if fits and path.is_file() else None

    def _module(self, file: str) -> ModuleType:
        if file in self._modules:
            return self._modules[file]
        path = self.place(file)
        if path is None:
            raise LabError(f"this needs {file}.py, which is not written in {self.folder}")
        self._come_forward()
        before = set(sys.modules)
        try:
            module = importlib.import_module(file)
        except ImportError as error:
            raise LabError(f"{path} cannot be imported: {error}") from error
        except SyntaxError as error:
            raise LabError(f"{path} is no Python: {error}") from error
        for name in set(sys.modules) - before:
            if name in EXERCISES or _lies_in(_file_of(sys.modules[name]), self.folder):
                self._modules[name] = sys.modules[name]
        return module

    def _come_forward(self) -> None:
        """Let the files that import each other be those of this submission."""
        for finder in [f for f in sys.meta_path if isinstance(f, _Finder)]:
            if finder.of is self:
                return
            finder.leave()
        for name in EXERCISES:
            sys.modules.pop(name, None)
        sys.modules.update(self._modules)
        _Finder(self).enter()


class _Finder(MetaPathFinder):
    """Finds the files of a submission by the names under which they know each other."""

    def __init__(self, of: Submission) -> None:
        self.of = of
        model = of.place("gpt2")
        beside_model = [model.parent] if model and of.whose(model) == YOURS else []
        self._folders = [str(folder) for folder in dict.fromkeys([*beside_model, of.folder])]

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See MetaPathFinder."""
        place = self.of.place(name) if name in EXERCISES else None
        if place is None:
            return None
        # As a package, too, so that relative imports reach what lies beside it.
        return spec_from_file_location(name, place, submodule_search_locations=[str(place.parent)])

    def enter(self) -> None:
        """Be asked first; and what is no exercise is looked for beside them."""
        sys.meta_path.insert(0, self)
        sys.path[:0] = self._folders

    def leave(self) -> None:
        """Take the submission's modules out of the way."""
        sys.meta_path.remove(self)
        sys.path[:] = [place for place in sys.path if place not in self._folders]
        for name in self.of.names():
            sys.modules.pop(name, None)


def _file_of(module: ModuleType) -> Path:
    return Path(getattr(module, "__file__", None) or "/")


def _lies_in(path: Path, folder: Path) -> bool:
    """Whether it is a file of the folder, and of no package that is installed in it."""
    return folder in path.parents and "site-packages" not in path.parts


def raised(error: Exception) -> str | None:
    """What the submission's code raised and where, or that it is a stub; None if it was not that
    code.
    """
    code = next((finder.of for finder in sys.meta_path if isinstance(finder, _Finder)), None)
    if code is None:
        return None
    frames = traceback.extract_tb(error.__traceback__)
    own = traceback.StackSummary.from_list([f for f in frames if code.owns(Path(f.filename))])
    if not own:
        return None
    if isinstance(error, NotImplementedError) and own[-1] == frames[-1]:
        return f"{own[-1].name} in {own[-1].filename} is not written yet"
    said = str(error).strip().splitlines()
    words = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    where = "".join(own.format()).rstrip()
    see = f"To see which case fails: grader grade {code.path}"
    return f"the submission's code raised {words}\n{where}\n{see}"
