"""Runs the checks of an exercise under pytest, and turns what they raise into results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis.errors import Flaky

from grader.bugs import of_exception
from grader.catalogue import FOLDER, Exercise
from grader.check import Check, Counterexample, Failure, NotRun
from grader.exercises import conftest
from grader.gpt2.evidence import Evidence
from grader.results import CheckResult
from grader.rubric import SHIPPED, Rubric
from grader.sandbox.client import Fault
from grader.text import clean, pasteable, shorten

Progress = Callable[[CheckResult], None]
Skip = Callable[[str, Sequence[CheckResult]], bool]


class Stopped(KeyboardInterrupt):
    """What `progress` may raise to end a grading before it is done."""


def run_checks(
    exercise: Exercise,
    evidence: Evidence,
    progress: Progress,
    rubric: Rubric = SHIPPED,
    skip: Skip = lambda part, so_far: False,
    only: Sequence[str] | None = None,
) -> tuple[CheckResult, ...]:
    """Run the exercise's checks under pytest. Every check gets exactly one result.

    skip: whether to leave out a part, given the results so far; its checks then get none; only:
    names of the checks to run, as of `Exercise.checks`, where it is not all of them.
    KeyboardInterrupt goes through, and so does Stopped.
    """
    checks = rubric.applied(exercise.checks())
    if only is not None:
        checks = {name: check for name, check in checks.items() if name in only}
    recorder = _Recorder(evidence, checks, progress, skip)
    # Nothing from around the submission takes part: no ini file, no plugin, no environment.
    arguments = ["-c", str(FOLDER / "pytest.ini"), "--rootdir", str(FOLDER), "--confcutdir"]
    arguments += [str(FOLDER), "--assert=plain", "-p", "no:cacheprovider", "-p", "no:terminal"]
    # These collect garbage again and again to find out what has gone wrong in a __del__.
    arguments += ["-p", "no:unraisableexception", "-p", "no:threadexception"]
    arguments += ["--capture=no", f"--seed={evidence.seed}", *_paths(exercise, only)]
    with _pytest_alone():
        pytest.main(arguments, plugins=[recorder])
    if recorder.interrupted is not None:
        raise recorder.interrupted
    missing = "the check did not run; this is a fault of the grader"
    return tuple(
        recorder.results.get(name) or CheckResult(check, "internal", missing)
        for name, check in checks.items()
        if not recorder.skipped.get(check.part)
    )


def _paths(exercise: Exercise, only: Sequence[str] | None) -> list[str]:
    """What pytest is to run."""
    if only is None:
        return exercise.paths
    folder = FOLDER / exercise.name
    return [str(folder / name.replace("::", ".py::", 1)) for name in only]


@contextmanager
def _pytest_alone() -> Iterator[None]:
    """No plugins or options from the environment while pytest runs."""
    before = dict(os.environ)
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # A place that cannot be: Hypothesis neither reads nor writes files where the user is.
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = os.path.join(os.devnull, "none")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class _Recorder:
    """A pytest plugin that turns what a check raised into a result."""

    def __init__(
        self, evidence: Evidence, checks: dict[str, Check], progress: Progress, skip: Skip
    ) -> None:
        self.evidence = evidence
        self.checks = checks
        self.progress = progress
        self.skip = skip
        self.skipped: dict[str, bool] = {}
        self.results: dict[str, CheckResult] = {}
        self.interrupted: BaseException | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[conftest.EVIDENCE] = self.evidence
        config.option.tbstyle = "no"  # nobody reads the tracebacks, which take long to write

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.interrupted = excinfo.value

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        check = self.checks.get(_name(item))
        if check is not None and check.part not in self.skipped:
            self.skipped[check.part] = self.skip(check.part, list(self.results.values()))
        return True if check is not None and self.skipped[check.part] else None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> object:
        name = _name(item)
        raised = call.excinfo.value if call.excinfo else None
        if name in self.checks and (call.when == "call" or raised is not None):
            printed = clean(self.evidence.subject.take_printed())
            result = _result(self.checks[name], raised, call.duration)
            self.results[name] = replace(result, printed=printed)
            self.progress(self.results[name])
        return (yield)


def _name(item: pytest.Item) -> str:
    return f"{item.path.stem}::{item.name}"


def _result(check: Check, raised: BaseException | None, seconds: float) -> CheckResult:
    """What a check's exception means, the submission's words cleaned and cut."""
    if raised is None:
        return CheckResult(check, "pass", seconds=seconds)
    if isinstance(raised, Failure):
        return CheckResult(
            check,
            "fail",
            clean(raised.message),
            counterexample=_clean(raised.counterexample),
            seconds=seconds,
            cause=raised.cause,
            proven=raised.proven,
        )
    if isinstance(raised, NotRun):
        return CheckResult(check, "not-run", clean(str(raised)), seconds=seconds)
    if isinstance(raised, Fault):
        return CheckResult(
            check,
            raised.status,
            clean(raised.message),
            clean(raised.traceback),
            seconds=seconds,
            cause=_of_fault(raised),
            call=clean(raised.call),
        )
    if isinstance(raised, Flaky):
        message = "the same question was answered differently when it was asked again"
        return CheckResult(
            check, "fail", message, seconds=seconds, cause="state-kept-between-calls"
        )
    message = f"{type(raised).__name__}: {raised}"
    return CheckResult(check, "internal", shorten(clean(message), 1000), seconds=seconds)


def _of_fault(raised: Fault) -> str:
    """The slug for a fault; for an exception that of its kind."""
    if raised.cause != "crashes":
        return raised.cause
    if raised.status == "timeout":
        return "endless-loop"
    if raised.status != "error":
        return raised.cause
    return of_exception(raised.message, raised.traceback) or raised.cause


def _clean(found: Counterexample | None) -> Counterexample | None:
    if found is None:
        return None
    return Counterexample(pasteable(found.code), clean(found.expected), clean(found.found))
