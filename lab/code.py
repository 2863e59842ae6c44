"""Whose code made a run: kept with it, taken again, and compared with what is there now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.catalogue import EXERCISES
from grader.files import write_whole
from lab.submission import SOLUTIONS, SOLVED, YOURS, Submission

if TYPE_CHECKING:
    from lab.run_folder import Run

_KEPT = "code"
# How a model writes does not say what its weights mean.
_OF_WRITING = {"generation.py", "kv_cache.py"}
_OF_TRAINING = {"training.py"}


def facts_of(code: Submission) -> dict[str, Any]:
    """For config.json: the path, and of each file that ran whose it is, and its hash."""
    files = {name: {"whose": s.whose, "sha256": s.sha256} for name, s in code.sources().items()}
    return {"path": str(code.path), "files": files}


def keep(folder: Path, code: Submission) -> None:
    """Put a copy of one's own files into the folder of a run. Raises OSError."""
    for source in code.sources().values():
        if source.whose == YOURS:
            place = folder / _KEPT / source.path.relative_to(code.folder)
            write_whole(place, source.path.read_text(encoding="utf-8"))


def code_of(run: Run | None, asked: Path | None) -> Submission:
    """What is asked for; else the code of the run, or its copy if it has gone; else solutions/."""
    if asked is not None or run is None:
        return Submission(asked or SOLUTIONS)
    path, kept = Path(recorded(run)["path"]), run.path / _KEPT
    return Submission(path if path.exists() or not kept.is_dir() else kept)


def recorded(run: Run) -> dict[str, Any]:
    """What the run says of its code. Runs of before knew the path alone."""
    said = run.facts.get("submission", str(SOLUTIONS))
    return {"path": said, "files": {}} if isinstance(said, str) else said


def in_words(facts: Mapping[str, Any]) -> str:
    """Such as "gpt2.py is yours; generation.py, training.py are the worked solution's"."""
    said = []
    for whose in (YOURS, SOLVED):
        names = [name for name, file in facts["files"].items() if file["whose"] == whose]
        if names:
            said.append(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} {whose}")
    return "; ".join(said)


def told(code: Submission) -> str:
    """The same of code that runs now, and whether none of it is one's own."""
    facts = facts_of(code)
    own = any(file["whose"] == YOURS for file in facts["files"].values())
    nothing = "" if own or code.folder == SOLUTIONS else f" (nothing in {code.path} is written yet)"
    return in_words(facts) + nothing


def difference(run: Run, code: Submission, of_training: bool = False) -> str | None:
    """How the code differs from that which made a run's weights, in words; None if it does not.

    of_training: whether what only trains counts, too.
    """
    made_by = recorded(run)
    passed_over = _OF_WRITING | (set() if of_training else _OF_TRAINING)
    changed = [
        name
        for name, file in made_by["files"].items()
        if name not in passed_over and file["sha256"] != _hash(code, name)
    ]
    if not changed:
        return None
    names, kept = ", ".join(changed), run.path / _KEPT
    back = f" (--submission {kept}: as it was)" if kept.is_dir() and code.path != kept else ""
    if str(code.path) == made_by["path"]:
        return f"{names} in {code.path} has changed since {run.path} was made{back}"
    return f"{names} of {code.path} is not what made {run.path}: that was {made_by['path']}{back}"


def _hash(code: Submission, name: str) -> str | None:
    """Of the file under this name as it is now."""
    exercise = name.removesuffix(".py")
    path = code.place(exercise) if exercise in EXERCISES else code.folder / name
    if path is None or not path.is_file():
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()
