"""How the time that encoding takes grows with the text.

Processor time in the worker, not time on the clock: a busy machine does not count. A linear
encoder takes 16 times as long for 16 times the text, a quadratic one 256 times; the bound lies
between, and whoever is beyond it is measured again.
"""

from __future__ import annotations

from grader.checks.api import Counterexample, Failure
from grader.checks.evidence import Evidence
from grader.checks.tokenizer.common import Setup
from grader.remote import WorkerLost
from grader.remote.many import each

_WORDS = (" ab", " cab", " ba", " x", " abba", " cc", ".", " 12")
_SETUP = Setup(((b"a", b"b"), (b" ", b"ab"), (b"b", b"a"), (b"c", b"ab")))
_TIMES = 16
_SIZES = (50, 50 * _TIMES, 50 * _TIMES**2)  # in rounds of _WORDS
_REPEATS = (4, 2, 1)
_BOUND = 4 * _TIMES
_LEAST = 2e-4  # seconds: what takes less is no measure
_ATTEMPTS = 4


def check_speed(evidence: Evidence) -> None:
    """Fail if encoding takes much more than 16 times as long for 16 times the text."""
    before = max(_LEAST, _seconds(evidence, 0))
    for n in range(1, len(_SIZES)):
        for attempt in range(_ATTEMPTS):
            seconds = _seconds(evidence, n)
            if seconds <= _BOUND * before:
                break
            if attempt < _ATTEMPTS - 1:
                before = max(before, _seconds(evidence, n - 1))
        else:
            raise _quadratic(evidence, n, f"took {seconds / before:.0f} times as long")
        before = max(_LEAST, seconds)


def _seconds(evidence: Evidence, n: int) -> float:
    """Processor time for a text of the n-th size, the least of some."""
    # No two texts are the same, for whoever remembers whole texts.
    drawn = [_text(n, turn) for turn in range(_REPEATS[n])]
    try:
        answers = each(evidence.subject, _SETUP.held(evidence), "encode", drawn)
    except WorkerLost as lost:
        if lost.status != "timeout":
            raise
        raise _quadratic(evidence, n, "came to no end") from None
    for turn, ids in enumerate(answers.values):
        if ids != _expected(n, turn):
            raise Failure(
                f"a text of {len(drawn[turn]):,} characters is not encoded as its parts are",
                cause="long-texts-otherwise",
            )
    return min(answers.seconds)


def _round(turn: int) -> tuple[str, ...]:
    turn %= len(_WORDS)
    return _WORDS[turn:] + _WORDS[:turn]


def _text(n: int, turn: int) -> str:
    return "".join(_round(turn)) * _SIZES[n]


def _expected(n: int, turn: int) -> list[int]:
    return [id for word in _round(turn) for id in _SETUP.right.plain(word)] * _SIZES[n]


def _quadratic(evidence: Evidence, n: int, what: str) -> Failure:
    less, more = len(_text(n - 1, 0)), len(_text(n, 0))
    lines = (
        "import time",
        f"for n in ({_SIZES[n - 1]}, {_SIZES[n]}):",
        f"    text = {''.join(_WORDS)!r} * n",
        "    start = time.process_time()",
        "    tokenizer.encode(text)",
        "    print(time.process_time() - start)",
    )
    return Failure(
        f"encoding {more:,} characters instead of {less:,}, {_TIMES} times the text, {what}",
        Counterexample(_SETUP.code(evidence, *lines), f"about {_TIMES} times as long", what),
        "quadratic-time",
    )
