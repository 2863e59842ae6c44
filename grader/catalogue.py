"""Which exercises there are, and which checks each one has, without running any."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from grader import exercises
from grader.check import Check
from grader.declaration import Declaration
from grader.gpt2.specification import Specification
from grader.gpt2.twists import TwistError, named, names_of
from grader.sandbox.client import Budget, LoadedSubmission, Server
from grader.submission import Submission, read, read_together
from grader.vocabulary import Policy

if TYPE_CHECKING:
    from grader.gpt2.evidence import Evidence

ALL = "all"  # what is typed in place of an exercise's name
TWISTED = "gpt2"  # the exercise that can be asked with twists
DEBUG = "debug"  # files of several exercises, with bugs planted in them
FOLDER = Path(__file__).parent / "exercises"
_PACKED = FOLDER.parent / "handout"  # where an installed kit carries them
# What is handed to a candidate: the stubs and the brief.
HANDOUT = _PACKED if _PACKED.is_dir() else FOLDER.parents[1] / "exercises"


class CheckFunction(Protocol):
    """A pytest function that is a check."""

    check: Check

    def __call__(self, *, evidence: Evidence) -> None:
        """Raises what says that the requirement is not met."""


class Exercise(Declaration):
    """An exercise that can be read and graded."""

    def read(
        self,
        path: Path,
        base_folder: Path | None = None,
        given: Mapping[str, str] | None = None,
        beside: bool = True,
        pieces: Mapping[str, Path] | None = None,
    ) -> Submission:
        """What was handed in for this exercise. Raises UnusableInput.

        base_folder: where the exercise that it builds on is, if not beside it; given: a name of
        this exercise -> what the submission calls it; beside: whether a single file may import
        what lies beside it; pieces: what it consists of, where that is not what lies at the path.
        """
        others = {exercise.file for exercise in EXERCISES.values()} - {self.file}
        below = EXERCISES[self.base] if self.base else None
        return read(
            path,
            self.file,
            others,
            below.file if below else None,
            base_folder,
            self.base_needed,
            self.imports,
            self.names,
            {name: own for name, own in (given or {}).items() if name in self.names},
            beside,
            below.names if below else (),
            pieces,
        )

    def subject(
        self,
        submission: Submission,
        server: Server,
        timeout: float,
        stand_ins: Collection[str] = (),
        policy: Policy = "from-scratch",
        budget: Budget | None = None,
    ) -> LoadedSubmission:
        """The submission as the checks ask it. stand_ins: classes that are the grader's own;
        budget: of all time (default: without end).

        What uses torch's own Transformers openly is charged for it, and can be asked; from all
        others these are taken away.
        """
        file, names = None, tuple[str, ...]()
        if self.base is not None:
            file, names = EXERCISES[self.base].file, EXERCISES[self.base].names
        openly = any(v.users and not v.package for v in submission.violations)
        allowed = openly or policy == "any"
        return LoadedSubmission(
            submission, server, self.names, timeout, file, names, stand_ins, allowed, budget
        )

    @property
    def minutes(self) -> int:
        """How long the brief says that it takes; of two numbers the larger."""
        brief = (HANDOUT / self.brief).read_text(encoding="utf-8")
        found = re.search(r"You have (?:about )?(?:\d+ to )?(\d+) minutes", brief)
        assert found, f"{self.brief} does not say how many minutes there are"
        return int(found[1])

    def only(self, *names: str) -> Exercise:
        """The same with the check files of these names alone, and those that are of the file."""
        own = {module for name in names for module in self.judged_in.get(name, self.modules)}
        others = {module for modules in self.judged_in.values() for module in modules} - own
        return replace(self, modules=tuple(m for m in self.modules if m not in others))

    def functions(self) -> dict[str, CheckFunction]:
        """The functions that check, by their names ("test_mlp::test_width"), in order."""
        found: dict[str, CheckFunction] = {}
        for name in self.modules:
            module = importlib.import_module(f"{exercises.__name__}.{self.name}.{name}")
            for key, item in vars(module).items():
                if key.startswith("test_") and hasattr(item, "check"):
                    found[f"{name}::{key}"] = item
        return found

    def checks(self) -> dict[str, Check]:
        """The checks by the names of their functions, in order, in the words of what is asked."""
        found = {name: function.check for name, function in self.functions().items()}
        if not self.twists:
            return found
        from grader.gpt2.twisted_checks import told

        return {name: told(check, self.asked) for name, check in found.items()}

    @property
    def asked(self) -> Specification:
        """What a GPT-2 is to be."""
        return named(self.twists)

    def twisted(self, twists: Sequence[str]) -> Exercise:
        """The same with twists. Raises TwistError where it takes none."""
        if twists and not self.takes_twists:
            raise TwistError(f"only the exercise {TWISTED} takes twists, found {self.name}")
        return replace(self, twists=names_of(named(twists)))

    @property
    def takes_twists(self) -> bool:
        """Whether it can be asked with twists."""
        return self.name == TWISTED


class Puzzle(Exercise):
    """A folder to debug, read and graded as one: `grader.exercises.debug`."""

    def read(
        self,
        path: Path,
        base_folder: Path | None = None,
        given: Mapping[str, str] | None = None,
        beside: bool = True,
        pieces: Mapping[str, Path] | None = None,
    ) -> Submission:
        """All that is in the folder. Raises UnusableInput."""
        from grader.exercises.debug.plants import FILES

        folder = path.parent if path.suffix == ".py" else path
        others = dict.fromkeys(file for file in FILES.values() if file != self.file)
        return read_together(folder, self.file, list(others), self.names, beside, pieces)

    def checks(self) -> dict[str, Check]:
        """What is told without the interviewer's sheet."""
        from grader.exercises.debug.symptoms import all_checks

        return all_checks()


def chosen(name: str) -> list[Exercise]:
    """The exercise of that name, or every one for ALL."""
    return list(EXERCISES.values()) if name == ALL else [GRADED[name]]


def _declared() -> Iterator[Declaration]:
    for found in filter(attrgetter("ispkg"), pkgutil.iter_modules(exercises.__path__)):
        if found.name == DEBUG:
            continue
        module = importlib.import_module(f"{exercises.__name__}.{found.name}.declaration")
        declaration: Declaration = module.EXERCISE
        yield declaration


# In the order of the path: each builds on what stands before.
EXERCISES = {
    declared.name: Exercise(**vars(declared))
    for declared in sorted(_declared(), key=lambda declared: declared.order)
}
# And what is made of several of them.
GRADED: dict[str, Exercise] = {
    **EXERCISES,
    DEBUG: Puzzle(0, DEBUG, "gpt2.py", (), EXERCISES["gpt2"].names, "BRIEF.md"),
}
