"""A report on a nameless submission as that on the one that was handed in: its own names, and of
a notebook cells and lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from grader.catalogue import GRADED
from grader.gpt2.experiment import import_line
from grader.results import Report
from grader.submission import Submission
from grader.submission.taken import told
from grader.text import clean


def addressed(report: Report, judged: Submission, submission: Submission) -> Report:
    """The report on `judged` as that on `submission`, which has the same text."""
    names = _Names(judged, submission, GRADED[report.exercise].names)
    mark_names = {judged.main: submission.main}
    results = tuple(
        replace(
            r,
            message=names.told(r.message),
            traceback=names.told(r.traceback),
            printed=names.told(r.printed),
            counterexample=r.counterexample
            and replace(r.counterexample, code=names.code(r.counterexample.code)),
        )
        for r in report.results
    )
    return replace(
        report,
        unreadable=names.told(report.unreadable),
        path=clean(submission.path),
        file=clean(str(Path(submission.folder, submission.main))),
        files=submission.files,
        marks=tuple(
            replace(
                m,
                file=mark_names.get(m.file, m.file),
                why=names.told(m.why),
                place=names.place(m.file, m.line),
            )
            for m in report.marks
        ),
        results=results,
        diagnoses=tuple(
            replace(d, explanation=names.told(d.explanation)) for d in report.diagnoses
        ),
        advisories={
            **{id: names.told(words) for id, words in report.advisories.items()},
            **_remarks(submission),
        },
    )


def _remarks(submission: Submission) -> dict[str, str]:
    """What is said of how the hand-in was read."""
    found = {}
    if submission.notes:
        found["read-as"] = clean(" ".join(submission.notes))
    if words := told(submission.taken):
        found["taken-for"] = clean(words)
    return found


@dataclass(frozen=True)
class _Names:
    """Puts the names of a submission in the place of those under which it was judged."""

    judged: Submission
    submission: Submission
    names: tuple[str, ...]

    def told(self, text: str) -> str:
        """A message or traceback."""
        main = re.escape(self.judged.main)
        named = self.submission.place
        if self.submission.cells:
            place = re.compile(rf'(?<![\w.-])({main}"?, )line (\d+)')
            text = place.sub(lambda found: found[1] + named(int(found[2])), text)
            text = re.sub(r"\bline (\d+)(?= of your)", lambda f: named(int(f[1])), text)
        own = re.compile(rf"(?<![\w.-]){main}\b")
        text = own.sub(lambda found: self.submission.main, text)
        return text.replace(f"{self.judged.folder}/", f"{self.submission.folder}/")

    def place(self, file: str, line: int) -> str:
        """What to call a line, where it is not by file and line."""
        return (
            self.submission.place(line)
            if self.submission.cells and file == self.judged.main
            else ""
        )

    def code(self, text: str) -> str:
        """Code to be run beside the submission."""
        stem = self._module(self.judged)
        if self.submission.main.endswith(".ipynb"):
            return f"# in the notebook, after its cells\n{self._without_imports(text, stem)}"
        own = self._module(self.submission)
        for name in (*self.names, *(item.own for item in self.submission.taken)):
            before, after = (import_line(module, name) for module in (stem, own))
            text = text.replace(before, after)
        if stem != own:
            other = f"import {own} as {stem}" if own.isidentifier() else ""
            other = other or f"import importlib; {stem} = importlib.import_module({own!r})"
            text = re.sub(rf"^import {re.escape(stem)}$", lambda _: other, text, flags=re.MULTILINE)
        return text

    def _without_imports(self, text: str, stem: str) -> str:
        """The code where the classes are there already."""
        stem = re.escape(stem)
        text = re.sub(rf"^from {stem} import (\w+) as (\w+)$", r"\2 = \1", text, flags=re.MULTILINE)
        text = re.sub(rf"^(from {stem} import \w+|import {stem})\n", "", text, flags=re.MULTILINE)
        return re.sub(rf"\b{stem}\.(?=[A-Z])", "", text)

    def _module(self, submission: Submission) -> str:
        """What its main file is imported as."""
        place = PurePosixPath(submission.main)
        if place.name == "__init__.py":
            return PurePosixPath(submission.folder, place.parent).name
        return submission.main.removesuffix(".py").replace("/", ".")
