"""Requirements of `train_bpe`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from grader.check import Counterexample, Failure, check
from grader.exercises import contract
from grader.exercises.tokenizer import texts
from grader.exercises.tokenizer.common import TRAIN, cause_of_type, is_slip, short
from grader.exercises.tokenizer.oracle import Pair, Trainer
from grader.exercises.tokenizer.trainers import TRAINERS
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import import_line
from grader.sandbox.client import CandidateError
from grader.sandbox.client.exchange import words
from grader.sandbox.client.function import call
from grader.sandbox.client.many import each

PART = "Training"
# Sizes of the vocabulary and texts, by which a bug is told.
_PROBES = (
    (281, texts.PROBES),
    (340, (" ".join(texts.PROBES),)),
    (258, ("a b c a b c ab ab", "zz zz yy yy xx")),
    (260, ("abc abc abd abd xbc", "aaaa aaa baaab")),
    (262, ("ab cd ef AB CD éa ~b \nz", "the the the cat cat hat")),
)


def _words(alphabet: tuple[str, ...], longest: int = 30) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(alphabet), max_size=longest).map("".join)


def _counterexample(
    evidence: Evidence, text: str, vocab_size: int, expected: object, found: object
) -> Counterexample:
    line = import_line(evidence.subject.submission.main, TRAIN)
    code = f"{line}\n\nprint({TRAIN}({text!r}, {vocab_size}))"
    return Counterexample(code, str(expected), str(found))


def _of_type(evidence: Evidence, text: str, vocab_size: int, found: str) -> Counterexample:
    """What is in what comes back, as code."""
    code = (
        f"{import_line(evidence.subject.submission.main, TRAIN)}\n\n"
        f"merges = {TRAIN}({text!r}, {vocab_size})\n"
        "print(type(merges).__name__, *{type(pair).__name__ for pair in merges},\n"
        "      *{type(part).__name__ for pair in merges for part in pair})"
    )
    inside = "" if vocab_size == 256 else " tuple bytes"
    return Counterexample(code, f"list{inside}", found)


def _found(evidence: Evidence, asked: Sequence[str], vocab_size: int) -> list[list[Pair]]:
    """What the submission finds in each text, checked to be merges."""
    given = {"vocab_size": vocab_size}
    try:
        found = each(evidence.subject, None, TRAIN, asked, given).values
    except CandidateError as fault:
        if fault.status != "error" or len(asked) == 1:
            raise _blamed(asked[0], vocab_size, fault) from None
        for text in asked:
            _found(evidence, [text], vocab_size)
        raise
    for text, merges in zip(asked, found, strict=True):
        if type(merges) is not list or not all(map(_is_pair, merges)):
            kind = words(merges)
            if type(merges) is list and merges:
                kind += f" with {short(repr(merges[0]))}"
            raise Failure(
                f"expected a list of tuples of two bytes from {TRAIN}, found {kind}",
                _of_type(evidence, text, vocab_size, kind),
                cause_of_type(asked, found),
            )
    return found


def _blamed(text: str, vocab_size: int, fault: CandidateError) -> CandidateError:
    """The fault, with the text for which it comes."""
    if fault.status != "error":
        return fault
    message = f"for {TRAIN}({short(text)}, {vocab_size}) {fault.message}"
    crashed = fault.cause == "crashes" and not is_slip(fault)
    cause = "raises-for-a-text" if crashed else fault.cause
    return CandidateError(fault.status, message, fault.traceback, cause)


def _is_pair(item: Any) -> bool:
    return type(item) is tuple and len(item) == 2 and all(type(part) is bytes for part in item)


def _compare(evidence: Evidence, id: str, vocab_size: int, *asked: str) -> None:
    """Fail unless the oracle finds the same merges in these texts."""
    for text, found in zip(asked, _found(evidence, asked, vocab_size), strict=True):
        right = Trainer().train(text, vocab_size)
        if found == right:
            continue
        if id not in evidence.named:
            evidence.named[id] = _bug(evidence, text, vocab_size)
        cause = evidence.named[id]
        raise Failure(
            f"{TRAIN}({short(text)}, {vocab_size}): {_difference(right, found)}",
            _counterexample(evidence, text, vocab_size, right, found),
            cause or "merges-otherwise",
            proven=bool(cause),
        )


def _difference(right: list[Pair], found: list[Pair]) -> str:
    """Where two lists of merges part."""
    for n, (wanted, got) in enumerate(zip(right, found, strict=False)):
        if wanted != got:
            return f"merge {n + 1} should be {wanted}, and is {got}"
    return f"expected {len(right)} merges, found {len(found)}"


def _bug(evidence: Evidence, text: str, vocab_size: int) -> str:
    """The bug with which the oracle finds what the submission finds, in this and other texts."""
    known = [(vocab_size, (text,)), *_PROBES, (276, texts.CUTS)]
    try:
        asked = [(size, some, _found(evidence, some, size)) for size, some in known]
    except (CandidateError, Failure):
        return ""
    return next(
        (
            slug
            for slug, wrongs in TRAINERS.items()
            for wrong in wrongs
            if all(
                wrong().train(text, size) == merges
                for size, some, found in asked
                for text, merges in zip(some, found, strict=True)
            )
        ),
        "",
    )


test_from_scratch = contract.from_scratch(
    "tokenizer",
    "write the tokenizer",
    "torch, regex and the standard library only.",
    "Only torch, the module regex and the standard library are used.",
)


test_imports = contract.imports("tokenizer", PART)


@check(
    "tokenizer.boundaries",
    PART,
    6,
    hints=(
        "Which pairs may be counted at all?",
        "Train on 'a1a1a1' and on 'a a a': does a merge hold a letter and a digit, or two words?",
        "Cut the text with GPT-2's pattern first, and count pairs inside of each piece only.",
    ),
)
def test_boundaries(evidence: Evidence) -> None:
    """No merge reaches across the cuts of GPT-2's pattern."""
    _compare(evidence, "tokenizer.boundaries", 276, *texts.CUTS)


@check(
    "tokenizer.train",
    PART,
    6,
    hints=(
        "What is counted, and when is it counted again?",
        "Train on 'abc abc abd' with vocab_size 258 and print the counts before each merge.",
        "Count every pair in every pre-token, as often as the pre-token occurs; merge the most "
        "frequent one everywhere; count again.",
    ),
)
def test_train(evidence: Evidence) -> None:
    """The pair that occurs most often becomes the next merge, again and again."""
    for vocab_size, known in _PROBES:
        _compare(evidence, "tokenizer.train", vocab_size, *known)


@check(
    "tokenizer.ties",
    PART,
    5,
    hints=(
        "Which of two pairs that occur equally often does your function take?",
        "Train on 'ab cd' with vocab_size 257.",
        "max(counts, key=lambda pair: (counts[pair], pair)), with pairs as tuples of bytes.",
    ),
    examples=15,
)
@given(
    parts=st.lists(st.sampled_from("abyzAZ019 ~!\n\té\xa0\xad漢ÿ"), min_size=2, unique=True),
    again=st.booleans(),
)
def test_ties(evidence: Evidence, parts: list[str], again: bool) -> None:
    """Of pairs that occur equally often the greatest is taken, compared as tuples of bytes."""
    text = "".join(parts)
    _compare(evidence, "tokenizer.ties", 264, text + (" " + text[::-1] if again else ""))


@check(
    "tokenizer.overlaps",
    PART,
    4,
    hints=(
        "How often does the pair (a, a) stand in 'aaaa'?",
        "Train on 'aaaa bcbc bc' with vocab_size 257, then on 'aaa' with 258.",
        "Count all neighbours, overlapping or not; merge from left to right and step over what "
        "was merged.",
    ),
    examples=12,
)
@given(text=_words(("a", "a", "aa", "b", " "), 24), count=st.integers(1, 8))
def test_overlaps(evidence: Evidence, text: str, count: int) -> None:
    """In aaaa the pair (a, a) counts three times; it is merged from left to right."""
    _compare(evidence, "tokenizer.overlaps", 256 + count, text)


@check(
    "tokenizer.train_any",
    PART,
    4,
    hints=(
        "Which of the brief's rules does the text in the example touch?",
        "Print pre-tokens, counts and merges for it, step by step.",
        "Pre-tokens by the pattern; their bytes; counts of all pairs; the most frequent, of ties "
        "the greatest; merge from left to right; count again.",
    ),
    examples=25,
)
@given(
    text=st.one_of(texts.texts(12), _words(("a", "b", "c", " ", " a", "ab", "é", "1"), 40)),
    count=st.integers(1, 12),
)
def test_train_any(evidence: Evidence, text: str, count: int) -> None:
    """So it is for any Unicode text."""
    _compare(evidence, "tokenizer.train_any", 256 + count, text)


@check(
    "tokenizer.vocab_size",
    PART,
    4,
    hints=(
        "How many merges does a vocab_size of 300 leave room for?",
        "Train on 'ab' with vocab_size 256, 257 and 300.",
        "At most vocab_size - 256 merges; stop when no pair is left; ValueError below 256.",
    ),
)
def test_vocab_size(evidence: Evidence) -> None:
    """It ends with vocab_size - 256 merges, or when no pair is left; below 256 is a ValueError."""
    id = "tokenizer.vocab_size"
    for text, vocab_size in (
        *(("abcdef abcdef", size) for size in (256, 257, 259)),
        *(("ab", 300), ("", 256), ("", 270), ("a b c", 300), ("x", 258), ("abc", 600)),
    ):
        _compare(evidence, id, vocab_size, text)
    for vocab_size in (255, 0, -1):
        _expect_value_error(evidence, vocab_size)


def _expect_value_error(evidence: Evidence, vocab_size: int) -> None:
    """Fail unless such a vocab_size raises ValueError."""
    try:
        call(evidence.subject, TRAIN, {}, args=["abc abc", vocab_size])
    except CandidateError as fault:
        if fault.status == "todo":
            raise
        if "raised ValueError" in fault.message:
            return
        raise Failure(
            f"expected a ValueError for vocab_size={vocab_size}; {fault.message}",
            cause="small-vocab-size-accepted",
        ) from None
    raise Failure(
        f"expected a ValueError for vocab_size={vocab_size}", cause="small-vocab-size-accepted"
    )
