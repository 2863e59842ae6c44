"""How the time that encoding takes grows with the text.

The same kinds of words are encoded as many short texts and as one long one. A linear encoder takes
as long for the one as for the others together; a quadratic one takes as many times as long as
there are short texts. It is processor time of the worker as the kernel counts it, not time on the
clock, so that a busy machine does not count; the bound is far from one, there is a least that
counts at all, and whoever is beyond is measured again.
"""

from __future__ import annotations

import string
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice, product

from grader.check import Counterexample, Failure
from grader.exercises.tokenizer.common import TOKENIZER, Setup, is_slip
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import import_line
from grader.sandbox.client import CandidateError, WorkerLost
from grader.sandbox.client.exchange import RemoteRef
from grader.sandbox.client.many import each

_WORDS = (" ab", " cab", " ba", " x", " abba", " cc", ".", " 12")
_SETUP = Setup(((b"a", b"b"), (b" ", b"ab"), (b"b", b"a"), (b"c", b"ab")))
_BOUND = 4
_LEAST = 0.05  # seconds: clocks of processor time may go in steps of 10 ms
_ATTEMPTS = 5
# With this character Python keeps four bytes for each, and copying the rest of a text takes long.
_WIDE = "😀"


@dataclass(frozen=True)
class _Stage:
    """Short texts of so many words each, as many as stand for a long one."""

    count: int
    words: int
    text: Callable[[int, int], list[str]]  # (words, number of the text) -> its words
    code: str  # the words of a text of n words
    said: str


# No two texts are the same, for whoever remembers whole texts: `number` tells them apart.
def _few(words: int, number: int) -> list[str]:
    """A few different words again and again."""
    return [*_WORDS] * (words // len(_WORDS)) + [" x"] * number


def _different(words: int, number: int) -> list[str]:
    """All of them different ones."""
    letters = product(string.ascii_lowercase, repeat=3)
    return [f" {''.join(word)}" for word in islice(letters, words)] + [" x"] * number


_FEW_CODE = f"({''.join(_WORDS)!r} * (n // {len(_WORDS)}))"
_DIFFERENT_CODE = "''.join(' ' + a + b + c for a in ABC for b in ABC for c in ABC)[: 4 * n]"
# First what a slow one can still do.
_STAGES = (
    _Stage(8, 240, _few, _FEW_CODE, ""),
    _Stage(16, 400, _different, _DIFFERENT_CODE, ", all words different"),
    _Stage(16, 6400, _few, _FEW_CODE, ""),
)


def check_speed(evidence: Evidence) -> None:
    """Fail if one long text takes much longer than the same in short texts."""
    for stage in _STAGES:
        for attempt in range(_ATTEMPTS):
            first = attempt * stage.count
            texts = [stage.text(stage.words, first + n) for n in range(stage.count)]
            short = _seconds(evidence, stage, texts)
            long = _seconds(evidence, stage, [stage.text(stage.words * stage.count, attempt)])
            if long <= _BOUND * max(short, _LEAST):
                break
        else:
            times = f"took {long / max(short, 1e-9):.0f} times as long"
            raise _quadratic(evidence, stage, stage.count, times)


def _seconds(evidence: Evidence, stage: _Stage, texts: Sequence[list[str]]) -> float:
    """Processor time for these texts, each with a tokenizer of its own.

    One that knows words from an earlier text would have less to do in the later ones.
    """
    made = [_SETUP.build(evidence) for _ in texts]
    evidence.subject.start_clock()
    before, started = evidence.subject.processor_seconds(), time.monotonic()
    told = sum(_encode(evidence, stage, *case) for case in zip(made, texts, strict=True))
    used = evidence.subject.processor_seconds() - before
    # Where the kernel tells nobody, the clock on the wall does: a worker's own word counts against
    # it alone.
    return max(used or time.monotonic() - started, told)


def _encode(evidence: Evidence, stage: _Stage, tokenizer: RemoteRef, words: list[str]) -> float:
    text = "".join(words) + _WIDE
    try:
        answers = each(evidence.subject, tokenizer, "encode", [text])
    except WorkerLost as lost:
        if lost.status != "timeout":
            raise
        raise _quadratic(evidence, stage, 4, "came to no end") from None
    except CandidateError as fault:
        if fault.cause == "crashes" and not is_slip(fault):
            fault.cause = "raises-for-a-text"
        raise
    ids = answers.values[0]
    known = {word: _SETUP.right.plain(word) for word in {*words, _WIDE}}
    if type(ids) is not list or ids != [id for word in [*words, _WIDE] for id in known[word]]:
        raise Failure(
            f"a text of {len(text):,} characters is not encoded as its words are",
            cause="long-texts-otherwise",
        )
    return answers.seconds[0]


def _quadratic(evidence: Evidence, stage: _Stage, times: int, what: str) -> Failure:
    lines = (
        "import time",
        "from string import ascii_lowercase as ABC",
        "",
        f"merges = {list(_SETUP.merges)}",
        "",
        "def seconds(n):",
        f"    text = {stage.code} + {_WIDE!r}",
        "    fresh = BPETokenizer(merges)",
        "    start = time.process_time()",
        "    fresh.encode(text)",
        "    return time.process_time() - start",
        "",
        f"short, long = seconds({stage.words}), seconds({stage.words * times})",
        f"# {times} times the text: does it take about {times} times as long?",
        f"print(long < {_BOUND * times} * max(short, {_LEAST / times}))",
    )
    characters = len("".join(stage.text(stage.words * stage.count, 0)))
    return Failure(
        f"encoding {characters:,} characters as one text, instead of as {stage.count} "
        f"texts{stage.said}, {what}",
        Counterexample(_code(evidence, lines), "True", "False"),
        "quadratic-time",
    )


def _code(evidence: Evidence, lines: Sequence[str]) -> str:
    line = import_line(evidence.subject.submission.main, TOKENIZER)
    return "\n".join([line, *lines])
