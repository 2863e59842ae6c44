"""How the time that encoding takes grows with the text.

The same words are encoded as many short texts and as one long one. A linear encoder takes as long
for the one as for the others together; a quadratic one takes as many times as long as there
are short texts. It is processor time in the worker, not time on the clock, so that a busy machine
does not count; the bound is far from one, there is a least that counts at all, and whoever is
beyond is measured again.
"""

from __future__ import annotations

from grader.checks.api import Counterexample, Failure
from grader.checks.evidence import Evidence
from grader.checks.tokenizer.common import Setup
from grader.remote import CandidateError, WorkerLost
from grader.remote.many import each

_WORDS = (" ab", " cab", " ba", " x", " abba", " cc", ".", " 12")
_SETUP = Setup(((b"a", b"b"), (b" ", b"ab"), (b"b", b"a"), (b"c", b"ab")))
# Short texts, and how often _WORDS stand in each. First what a slow one can still do.
_STAGES = ((8, 30), (16, 800))
_BOUND = 4
_LEAST = 0.05  # seconds: clocks of processor time may go in steps of 10 ms
_ATTEMPTS = 5


def check_speed(evidence: Evidence) -> None:
    """Fail if one long text takes much longer than the same in short texts."""
    for count, rounds in _STAGES:
        for attempt in range(_ATTEMPTS):
            short = _seconds(evidence, [(rounds, attempt * count + n) for n in range(count)])
            long = _seconds(evidence, [(rounds * count, attempt)])
            if long <= _BOUND * max(short, _LEAST):
                break
        else:
            raise _quadratic(evidence, count, rounds, f"took {long / short:.0f} times as long")


def _seconds(evidence: Evidence, texts: list[tuple[int, int]]) -> float:
    """Processor time for these texts; see `_text`."""
    try:
        drawn = [_text(*text) for text in texts]
        answers = each(evidence.subject, _SETUP.held(evidence), "encode", drawn)
    except WorkerLost as lost:
        if lost.status != "timeout":
            raise
        raise _quadratic(evidence, 16, texts[0][0] // 16, "came to no end") from None
    except CandidateError as fault:
        if fault.cause == "crashes":
            fault.cause = "raises-for-a-text"
        raise
    for text, characters, ids in zip(texts, drawn, answers.values, strict=True):
        if ids != _expected(*text):
            raise Failure(
                f"a text of {len(characters):,} characters is not encoded as its words are",
                cause="long-texts-otherwise",
            )
    return sum(answers.seconds)


# No two texts are the same, for whoever remembers whole texts: `number` tells them apart. With the
# last character Python keeps four bytes for each, and copying the rest of a text takes long.
def _text(rounds: int, number: int) -> str:
    return "".join(_WORDS) * rounds + " x" * number + "😀"


def _expected(rounds: int, number: int) -> list[int]:
    ids = [id for word in _WORDS for id in _SETUP.right.plain(word)]
    return ids * rounds + _SETUP.right.plain(" x") * number + _SETUP.right.plain("😀")


def _quadratic(evidence: Evidence, count: int, rounds: int, what: str) -> Failure:
    lines = (
        "import time",
        f"for n in ({rounds}, {rounds * count}):",
        f"    text = {''.join(_WORDS)!r} * n + '😀'",
        "    start = time.process_time()",
        "    tokenizer.encode(text)",
        "    print(time.process_time() - start)",
    )
    return Failure(
        f"encoding {len(_text(rounds * count, 0)):,} characters as one text, instead of as "
        f"{count} texts, {what}",
        Counterexample(_SETUP.code(evidence, *lines), f"about {count} times as long", what),
        "quadratic-time",
    )
