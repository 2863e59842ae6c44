"""The submissions with known verdicts, and what their headers say must come out."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pytest

from grader.catalogue import EXERCISES
from tests.edits import written_out

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parent / "submissions"
_HEADER = re.compile(
    r"^# (verdict|part|cause|causes|points|says|style|group|status|tries|twist): (.+)$"
)


@dataclass(frozen=True)
class Known:
    """A submission, and its header: verdict, style, and for a wrong one part and cause."""

    path: Path
    header: dict[str, str]

    def __str__(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"


def known(folder: str) -> list[Known]:
    """All submissions of "accepted", "wrong", "generation/accepted" and so on: files, or folders
    with the exercise's file.
    """
    file = f"{folder.split('/')[0]}.py" if "/" in folder else "gpt2.py"
    files = (FOLDER / folder).glob("*.py")
    folders = (main.parent for main in (FOLDER / folder).glob(f"*/{file}"))
    found = sorted([*files, *folders, *written_out(folder)], key=lambda path: path.name)
    return [Known(path, _header(path, file)) for path in found]


def path_of(name: str) -> Path:
    """Where a submission such as "generation/wrong/argmin" lies, or is written out."""
    folder, _, stem = name.rpartition("/")
    return next(entry.path for entry in known(folder) if entry.path.stem == stem)


def some(bank: Collection[Known], few: Collection[Known], *before: str) -> list[object]:
    """The bank as parameters, behind those that come before, of which by default only few count.

    The rest is judged by `pytest -m whole_bank`, and all by `-m ""`.
    """
    return [
        pytest.param(
            *(*before, known),
            id="-".join([*before, str(known)]),
            marks=[] if known in few else pytest.mark.whole_bank,
        )
        for known in bank
    ]


def base_of(exercise: str, path: Path) -> Path | None:
    """The folder of the gpt2.py for a submission that needs one and brings none."""
    entry = EXERCISES[exercise]
    own = path.is_dir() and (path / "gpt2.py").exists()
    return ROOT / "solutions" if entry.base and entry.base_needed and not own else None


def _header(path: Path, file: str) -> dict[str, str]:
    main = path / file if path.is_dir() else path
    lines = main.read_text(encoding="utf-8").splitlines()
    return dict(m.groups() for m in map(_HEADER.match, lines[:6]) if m)
