"""Whether counterexamples keep their word: beside the submission and beside a right one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from grader.catalogue import EXERCISES
from grader.gpt2.diagnosis.replay import Ran, agrees
from grader.results import Report
from tests.bank import ROOT, Known, base_of
from tests.plain_python import PlainPython

RIGHT = ROOT / "solutions"


def broken_words(
    submission: Known, exercise: str, report: Report, python: PlainPython
) -> Iterator[str]:
    """What a report's counterexamples say and do not keep, in words."""
    path, file = submission.path, EXERCISES[exercise].file
    base = base_of(exercise, path)
    with tempfile.TemporaryDirectory() as folder:
        # Beside the right one, it is found under the name that the submission has.
        stand_in = Path(folder, file if path.is_dir() else path.name)
        stand_in.write_bytes((RIGHT / file).read_bytes())
        beside = {
            "found": [path if path.is_dir() else path.parent, *([base] if base else [])],
            "expected": [Path(folder), RIGHT],
        }
        for result in report.results:
            told = result.counterexample
            if told is None:
                continue
            for what, folders in beside.items():
                claim = getattr(told, what)
                # These say what a right one gives with the submission's own parameters.
                own = what == "expected" and result.check.id.endswith(".equals")
                if own or claim.startswith("the "):  # and these, in words, what cannot be compared
                    continue
                ran = python.run(told.code, *folders)
                done = Ran(ran.stdout, ran.raised)
                if not agrees(claim, done):
                    yield f"{result.check.id} {what}: said {claim!r}, did {done.words!r}"
