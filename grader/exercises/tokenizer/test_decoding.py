"""Requirements of `BPETokenizer.decode`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from grader.check import Counterexample, Failure, check
from grader.exercises.tokenizer import texts
from grader.exercises.tokenizer.common import Setup, cut, short
from grader.exercises.tokenizer.decoders import DECODERS
from grader.exercises.tokenizer.special import TOKENS, alike, usual
from grader.gpt2.evidence import Evidence
from grader.sandbox.client import CandidateError
from grader.sandbox.client.exchange import words
from grader.sandbox.client.many import each

PART = "Decoding"
_EITHER = (True, False)


def _compare(
    evidence: Evidence, id: str, setup: Setup, asked: Sequence[list[int]], what: str
) -> None:
    """Fail unless the submission decodes as the oracle does."""
    for ids, text in zip(asked, _decoded(evidence, setup, asked), strict=True):
        right = setup.right.decode(ids)
        if text == right:
            continue
        if id not in evidence.named:
            evidence.named[id] = _bug(evidence, setup, asked)
        raise Failure(
            f"{what}: expected {short(right)}, found {short(text)}, for {cut(ids)}",
            Counterexample(
                setup.code(evidence, f"print(repr(tokenizer.decode({ids})))"),
                repr(right),
                repr(text),
            ),
            evidence.named[id] or "text-otherwise",
            proven=bool(evidence.named[id]),
        )


def _decoded(evidence: Evidence, setup: Setup, asked: Sequence[list[int]]) -> list[str]:
    """What the submission decodes, checked to be texts."""
    held = setup.held(evidence)
    try:
        found = each(evidence.subject, held, "decode", asked).values
    except CandidateError as fault:
        raise _blamed(evidence, setup, asked, fault) from None
    for text in found:
        if type(text) is not str:
            unwritten = all(item is None for item in found)
            cause = "not-implemented" if unwritten else "wrong-return-type"
            raise Failure(f"expected a str from decode, found {words(text)}", cause=cause)
    return found


def _blamed(
    evidence: Evidence, setup: Setup, asked: Sequence[list[int]], fault: CandidateError
) -> CandidateError:
    """The fault, with the ids for which it comes."""
    if fault.status != "error":
        return fault
    for ids in asked:
        try:
            each(evidence.subject, setup.held(evidence), "decode", [ids])
        except CandidateError as found:
            strict = "UnicodeDecodeError" in found.message
            return CandidateError(
                found.status,
                f"for decode({cut(ids)}) {found.message}",
                found.traceback,
                "decodes-strictly" if strict else "raises-for-ids",
            )
    return fault


def _bug(evidence: Evidence, setup: Setup, failed: Sequence[list[int]]) -> str:
    """The bug with which the oracle decodes as the submission does, these ids and others."""
    right = setup.right
    asked = [right.encode(text, True) for text in (*texts.PROBES, "<|end|>a.b[SEP] low")]
    asked += [[n, n + 1] for n in range(0, right.vocab_size - 1, 7)] + list(failed)
    try:
        found = _decoded(evidence, setup, asked)
    except (CandidateError, Failure):
        return ""
    return next(
        (
            slug
            for slug, wrongs in DECODERS.items()
            for wrong in wrongs
            if all(wrong(right, ids) == text for ids, text in zip(asked, found, strict=True))
        ),
        "",
    )


@check(
    "tokenizer.round_trip",
    PART,
    5,
    hints=(
        "When do bytes become characters: for each token, or for all together?",
        "Decode the ids of 'é漢😀' and print the bytes of each token.",
        'b"".join(the bytes of all ids).decode("utf-8", errors="replace").',
    ),
    examples=8,
)
@given(text=texts.texts(12))
def test_round_trip(evidence: Evidence, text: str) -> None:
    """The ids of a text are decoded to that text."""
    asked = [*_known_ids(), usual().right.encode(text)]
    _compare(evidence, "tokenizer.round_trip", usual(), asked, "the ids of a text")


@cache
def _known_ids() -> tuple[list[int], ...]:
    return tuple(map(usual().right.encode, texts.PROBES))


@check(
    "tokenizer.bad_bytes",
    PART,
    4,
    hints=(
        "What are the bytes of half a character?",
        "Decode each single id from 0 to vocab_size - 1.",
        'bytes.decode("utf-8", errors="replace"), of all bytes together.',
    ),
    examples=10,
)
@given(ids=st.lists(st.integers(0, 405 + len(TOKENS)), max_size=12))
def test_bad_bytes(evidence: Evidence, ids: list[int]) -> None:
    """Bytes that are no UTF-8 become U+FFFD, and special tokens their text."""
    last = usual().right.vocab_size - 1
    asked = [[min(id, last) for id in ids], [min([*ids, 200], default=0)], [128, 200], []]
    _compare(evidence, "tokenizer.bad_bytes", usual(), asked, "any ids")
    both = [alike().right.encode(token, allow) for token in alike().special for allow in _EITHER]
    _compare(evidence, "tokenizer.bad_bytes", alike(), both, "any ids")


@check(
    "tokenizer.unknown_ids",
    PART,
    3,
    hints=(
        "Which ids are there?",
        "Decode [-1] and [tokenizer.vocab_size].",
        "if not 0 <= id < self.vocab_size: raise ValueError(…). A list takes -1 for its last.",
    ),
)
def test_unknown_ids(evidence: Evidence) -> None:
    """An id below 0, or of vocab_size and above, raises ValueError."""
    setup = usual()
    size = setup.right.vocab_size
    for ids in ([-1], [size], [0, size + 3], [-size], [10**9, 1], [5, -300]):
        try:
            found = each(evidence.subject, setup.held(evidence), "decode", [ids]).values[0]
            gives = f"it gives {found!r}"
        except CandidateError as fault:
            # A UnicodeDecodeError is a ValueError too, and not about ids.
            if fault.status == "error" and "raised ValueError" in fault.message:
                continue
            if fault.status != "error":
                raise
            gives = fault.message
        raise Failure(
            f"expected a ValueError for decode({ids}) with vocab_size {size}; {gives}",
            Counterexample(setup.code(evidence, f"tokenizer.decode({ids})"), "ValueError", gives),
            "unknown-ids-accepted",
        )
