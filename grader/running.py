"""Runs the checks of an exercise, and turns what they raise into results.

The checks are pytest functions, and pytest runs them too. A grading calls them itself: it takes a
fifth of a second less, lets parts be judged beside one another, and nothing of pytest's that a
submission, or whatever lies around it, could get hold of takes part.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import hypothesis
from hypothesis.errors import Flaky

from grader.catalogue import CheckFunction, Exercise
from grader.check import Check, Counterexample, Failure, NotRun
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
    """Run the exercise's checks in order. Every check gets exactly one result.

    skip: whether to leave out a part, given the results so far; its checks then get none; only:
    names of the checks to run, as of `Exercise.checks`, where it is not all of them.
    KeyboardInterrupt goes through, and so does Stopped.
    """
    functions = exercise.functions()
    checks = rubric.applied(exercise.checks())
    wanted = [name for name in checks if only is None or name in only]
    last = _group(wanted[-1]) if wanted else ""
    results: list[CheckResult] = []
    skipped: dict[str, bool] = {}
    with _ALONE:
        for name in wanted:
            check = checks[name]
            if check.part not in skipped:
                skipped[check.part] = skip(check.part, results)
            if not skipped[check.part]:
                result = _run(functions[name], check, evidence, _group(name), _group(name) != last)
                results.append(result)
                progress(result)
    return tuple(results)


def _group(name: str) -> str:
    """The file of a check, whose checks share a worker of their own."""
    return name.split("::")[0]


def _run(
    function: CheckFunction, check: Check, evidence: Evidence, group: str, more: bool
) -> CheckResult:
    """The result of one check. more: whether another group follows."""
    raised: BaseException | None = None
    started = time.perf_counter()
    budget = evidence.subject.budget
    try:
        if budget.ended:
            raise budget.end()
        evidence.subject.enter(group, more=more)
        evidence.subject.start_clock()
        started = time.perf_counter()
        if hasattr(function, "hypothesis"):
            function = hypothesis.seed(evidence.seed)(function)
        function(evidence=evidence)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # each is a result, whatever it is
        raised = error
    if budget.ended:  # whatever the check made of the questions that were not answered
        raised = budget.end()
    seconds = time.perf_counter() - started
    printed = clean(evidence.subject.take_printed())
    return replace(_result(check, raised, seconds), printed=printed)


class _Alone:
    """Hypothesis neither reads nor writes files where the user is; NumPy's warnings are not his.

    Both belong to the process: the first thread to enter changes them, the last one to leave puts
    them back.
    """

    _STORAGE = "HYPOTHESIS_STORAGE_DIRECTORY"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._warnings = warnings.catch_warnings()
        self._before: str | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._warnings = warnings.catch_warnings()
                self._warnings.__enter__()
                warnings.simplefilter("ignore")
                self._before = os.environ.get(self._STORAGE)
                os.environ[self._STORAGE] = os.path.join(os.devnull, "none")  # that cannot be

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._warnings.__exit__(None, None, None)
                os.environ.pop(self._STORAGE, None)
                if self._before is not None:
                    os.environ[self._STORAGE] = self._before


_ALONE = _Alone()


def _result(check: Check, raised: BaseException | None, seconds: float) -> CheckResult:
    """What a check's exception means, the submission's words cleaned and cut."""
    if raised is None:
        return CheckResult(check, "pass", seconds=seconds)
    if isinstance(raised, Failure):
        return CheckResult(
            check,
            "fail",
            clean(raised.message),
            clean(raised.traceback),
            counterexample=_clean(raised.counterexample),
            seconds=seconds,
            cause=_of_exception(raised) if raised.cause == "crashes" else raised.cause,
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
    return _of_exception(raised)


def _of_exception(raised: Fault | Failure) -> str:
    from grader.bugs import of_exception  # with all bugs there are, of which most need none

    return of_exception(raised.message, raised.traceback) or raised.cause


def _clean(found: Counterexample | None) -> Counterexample | None:
    if found is None:
        return None
    return Counterexample(pasteable(found.code), clean(found.expected), clean(found.found))
