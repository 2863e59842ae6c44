"""Grades a folder that was debugged: what users see of it, or what became of each plant."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from grader.addressing import addressed
from grader.catalogue import DEBUG, EXERCISES
from grader.check import Check
from grader.exercises.debug.fixes import Fixed, lines_changed, outcome, rewritten
from grader.exercises.debug.overfit import overfit
from grader.exercises.debug.plants import FILES, texts
from grader.exercises.debug.sheet import Sheet
from grader.exercises.debug.symptoms import run_result, symptoms
from grader.grading import Options, judge, unread
from grader.results import CheckResult, Report
from grader.running import Progress
from grader.sandbox.client import Server
from grader.submission import Submission, UnusableInput, unusable
from grader.vocabulary import NEW_BUGS, UNTOLD

_STYLE = "separate"  # the clean gpt2.py that other files are graded with
_POINTS = 10.0  # for each bug
_OTHER = 0.6  # share of lines that a candidate seldom changes, and that differ in another text
_Reports = dict[str, Report]


def judge_folder(
    submission: Submission, options: Options, progress: Progress, server: Server
) -> Report:
    """The report on a folder, by the sheet or without one. Raises WeakIsolationError."""
    started = time.monotonic()
    options = options.with_seed()
    if not (found := _graded(submission.files)):
        return unread(submission, options, f"expected {', '.join(_expected(options))}, found none")
    bench = Bench(submission, options, server)
    reports: _Reports = {}
    for exercise in found:
        reports[exercise] = bench.grade(exercise)
        # Whoever looks on is told no more than the report will tell.
        for result in symptoms({exercise: reports[exercise]}, False):
            progress(result)
    if options.sheet is not None:
        report = _by_sheet(bench, options.sheet, reports)
    else:
        report = _as_seen(bench, reports)
    return replace(report, seconds=time.monotonic() - started)


def _expected(options: Options) -> list[str]:
    return list(options.sheet.planted) if options.sheet else ["gpt2.py", "train.py"]


def _graded(files: Mapping[str, bytes]) -> list[str]:
    """The exercises whose files are there."""
    return [exercise for exercise, file in FILES.items() if file in files]


class Bench:
    """Grades single exercises of a folder: a bug in one file is none in another."""

    def __init__(self, submission: Submission, options: Options, server: Server) -> None:
        self.submission = submission
        self.options = options
        self.server = server
        self.texts = {
            name: text.decode("utf-8", errors="replace") for name, text in submission.files.items()
        }

    def grade(self, exercise: str, text: str | None = None) -> Report:
        """The report on one exercise. text: in place of its file's."""
        changed = {} if text is None else {FILES[exercise]: text}
        return graded(exercise, {**self.texts, **changed}, self.options, self.server)

    def read_whole(self) -> Submission:
        """The training files with the candidate's own model, for the run that all see."""
        return _read(self.texts, "training", FILES["training"]).anonymized("training.py")

    def report(self, base: Report, results: tuple[CheckResult, ...], **more: object) -> Report:
        """A report on the whole folder."""
        facts = {"results": results, "diagnoses": (), "marks": (), "judged_by": {}, **more}
        return replace(
            base,
            exercise=DEBUG,
            path=self.submission.path,
            sha256=self.submission.sha256,
            files=self.submission.files,
            stand_ins={},
            rubric=self.options.points_by,
            **facts,  # type: ignore[arg-type]  # fields of a report
        )


def graded(
    exercise: str,
    files: Mapping[str, str],
    options: Options,
    server: Server,
    progress: Progress = lambda result: None,
) -> Report:
    """The report on one exercise of a folder, with the grader's own gpt2.py below it."""
    file = FILES[exercise]
    if exercise != "gpt2":
        own = next(text for text in texts("gpt2.py") if text.style == _STYLE)
        files = {**files, "gpt2.py": own.clean}
    read = _read(files, exercise, file)
    judged = read.anonymized(EXERCISES[exercise].file)
    alone = replace(options, exercise=exercise, sheet=None)
    return addressed(judge(judged, alone, progress, server), judged, read)


def _read(files: Mapping[str, str], exercise: str, file: str) -> Submission:
    with _laid_out(files) as folder:
        try:
            return EXERCISES[exercise].read(folder / file)
        except UnusableInput as error:
            return unusable(folder / file, file, error)


@contextmanager
def _laid_out(files: Mapping[str, str]) -> Iterator[Path]:
    """The files in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            place = Path(folder, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        yield Path(folder)


def _as_seen(bench: Bench, reports: _Reports) -> Report:
    """What a candidate sees: as much as --reveal says."""
    from grader.grade_all import merged

    whole = merged(Path(bench.submission.path), list(reports.values()))
    notes, seen = {}, symptoms(reports, bench.options.reveal == "checks")
    if {"gpt2", "training"} <= set(reports):
        options = bench.options
        assert options.seed is not None
        made = overfit(bench.read_whole(), bench.server, options.timeout, options.seed)
        notes["run"] = made.words
        seen += (run_result(made),)
    if bench.options.reveal == "causes":
        kept = {"results": whole.results, "diagnoses": whole.diagnoses, "marks": whole.marks}
        return replace(bench.report(whole, (), **kept), advisories={**notes, **whole.advisories})
    return bench.report(whole, seen, advisories=notes)


def _by_sheet(bench: Bench, sheet: Sheet, reports: _Reports) -> Report:
    """What became of each plant, for the interviewer."""
    lost = [file for file in sheet.planted if file not in bench.texts]
    fates: list[Fixed] = []
    new: list[str] = [f"{file} is missing" for file in lost]
    for exercise, report in reports.items():

        def regrade(text: str, exercise: str = exercise) -> Report:
            return bench.grade(exercise, text)

        found = outcome(exercise, sheet, bench.texts, report, regrade)
        fates += found.plants
        new += found.new
    told = {fixed.planted: fixed for fixed in fates}
    ordered = [told.get(one, Fixed(one, "not fixed")) for one in sheet.plants]
    results = [_plant_result(n, fixed) for n, fixed in enumerate(ordered, 1)]
    base = reports[next(iter(reports))]
    notes = _notes(sheet, bench.texts)
    return bench.report(base, (*results, _new_result(new)), advisories=notes)


def _plant_result(number: int, fixed: Fixed) -> CheckResult:
    one = fixed.planted
    about = f"{one.plant.slug} in {one.plant.file}, line {one.line} of what was handed out"
    words = f"The bug behind this report is gone: {one.plant.symptom}"
    check = Check(f"bug-{number}", "Planted bugs", _POINTS, words, one.plant.hints)
    if fixed.fate == "fixed":
        return CheckResult(check, "pass", f"fixed: {about}")
    if fixed.fate == "not fixed":
        return CheckResult(check, "fail", f"not fixed: {about}", cause=UNTOLD)
    into = ", ".join(fixed.into)
    message = f"changed into another bug ({into}): {about}"
    return CheckResult(check, "fail", message, cause=UNTOLD)


def _new_result(new: list[str]) -> CheckResult:
    hints = ("Compare with what was handed out: what else has changed?",)
    check = Check(NEW_BUGS, "Planted bugs", 0, "No bug came in that was not there.", hints)
    if new:
        return CheckResult(check, "fail", f"new: {', '.join(new)}", cause=UNTOLD)
    return CheckResult(check, "pass")


def _notes(sheet: Sheet, found: Mapping[str, str]) -> dict[str, str]:
    """How much was changed, and what was written anew."""
    pairs = [(sheet.planted[f], found[f], sheet.clean[f]) for f in sheet.planted if f in found]
    changed = sum(lines_changed(before, after) for before, after, _ in pairs)
    needed = sum(lines_changed(before, clean) for before, _, clean in pairs)
    notes = {"lines": f"{changed} lines changed; the fixes take {needed}."}
    lines = sum(len(before.splitlines()) for before, _, _ in pairs)
    if changed > _OTHER * lines:
        notes["sheet"] = (
            f"Of the {lines} lines that this sheet was written for, few are here. Is it this "
            "folder's sheet?"
        )
    if anew := [name for before, after, _ in pairs for name in rewritten(before, after)]:
        notes["rewritten"] = (
            f"{', '.join(anew)}: less than half of the lines were kept. That is allowed; ask why."
        )
    return notes
