"""Counterexamples, run before they are shown: a report prints what its code prints.

A check says what it found in answers to its own questions. Its counterexample is other code, which
makes the same case again; a bug that hangs on how it is asked may not show there. So the code
runs in a worker of its own. What disagrees is corrected, and what shows nothing is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from grader.check import Counterexample
from grader.exercises.tokenizer.gpt2_merges import gpt2_merges
from grader.gpt2.evidence import Evidence
from grader.results import CheckResult
from grader.sandbox.client import CandidateError, WorkerLost
from grader.text import clean, shorten

_NUMBER = re.compile(r"(?<![\w.])-?(?:\d+\.?\d*(?:e[+-]?\d+)?|inf|nan)\b", re.IGNORECASE)
_RAISED = re.compile(r"(?:\w+\.)*(\w*(?:Error|Exception|Exit|Interrupt))\b")
_CHANCE, _MORE = "about ", "more than "  # before what comes of chance, and before a bound
_AT_LEAST = " or more"
_ZERO, _NOTHING = 1e-7, 1e-11  # what rounding leaves, and what is less than anything
# What workers do not have of the kit, and are given instead.
_MERGES = "from grader.exercises.tokenizer.gpt2_merges import gpt2_merges\n"
_MOST = 600  # characters of what was printed
_DTYPE = re.compile(r",?\s*dtype=[\w.]+|\btorch\.(?=\w)")


@dataclass(frozen=True)
class Ran:
    """What code did: what it printed, and the last line of its traceback."""

    printed: str
    raised: str = ""

    @property
    def words(self) -> str:
        """What somebody sees who has run it."""
        return shorten("\n".join(filter(None, (self.printed.strip(), self.raised))), _MOST)


def agrees(claim: str, ran: Ran) -> bool:
    """Whether code does what is said of it.

    A claim that begins with the name of an error is about that error; one with numbers about
    these, in their order, as far as both are written out, or about a bound for all that is
    printed; any other about every word.
    """
    error = _RAISED.match(claim)
    if error is not None or ran.raised:
        raised = _RAISED.match(ran.raised)
        return error is not None and raised is not None and error[1] == raised[1]
    claimed, printed = (_numbers(text) for text in (claim, ran.printed))
    if claim.startswith("zero"):
        return bool(printed.size and (np.abs(printed) < _ZERO).all())
    if claim.startswith(_MORE) or claim.endswith(_AT_LEAST):
        least = claimed[0] + (_NOTHING if claim.startswith(_MORE) else 0.0)
        return bool(printed.size and (printed >= least).all())
    if not claimed.size or not printed.size:
        return claim.split() == ran.printed.split()
    cut = "..." in claim or "..." in ran.printed or "…" in claim
    if not cut and claimed.size != printed.size:
        return False
    few = min(3, claimed.size, printed.size) if cut else claimed.size
    # Shares of thousands of draws, numbers of four digits, and nothing but what rounding leaves.
    close = 0.05 if claim.startswith(_CHANCE) else 2e-4 if claimed.any() else _ZERO
    with np.errstate(invalid="ignore"):
        return np.allclose(claimed[:few], printed[:few], rtol=2e-3, atol=close, equal_nan=True)


def _numbers(text: str) -> np.ndarray:
    return np.array([float(n) for n in _NUMBER.findall(_DTYPE.sub("", text))])


def replayed(
    evidence: Evidence, results: Sequence[CheckResult], replaced: Container[str]
) -> tuple[CheckResult, ...]:
    """The results, each counterexample with what it prints, or without one that shows nothing.

    replaced: parts that were judged with classes of the grader's own, which code of a candidate
    does not meet: of these, only what shows all the same is kept.
    """

    def tried(result: CheckResult) -> Counterexample | None:
        told = result.counterexample
        if told is None:
            return None
        found = _replayed(evidence, result.check.id, told)
        return None if found != told and result.check.part in replaced else found

    return tuple(replace(result, counterexample=tried(result)) for result in results)


def _replayed(evidence: Evidence, id: str, told: Counterexample) -> Counterexample | None:
    ran: Ran | None = None
    evidence.subject.enter(f"replay of {id}")
    evidence.subject.start_clock()
    with suppress(CandidateError, WorkerLost):
        given = gpt2_merges() if _MERGES in told.code else None
        ran = Ran(*evidence.subject.replay(told.code.replace(_MERGES, ""), given))
    if ran is None or agrees(told.found, ran):
        return told
    return None if agrees(told.expected, ran) else replace(told, found=clean(ran.words))
