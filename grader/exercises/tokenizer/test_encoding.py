"""Requirements of `BPETokenizer.encode`."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from grader.check import check
from grader.exercises.tokenizer import texts
from grader.exercises.tokenizer.common import (
    ENCODING,
    Question,
    Setup,
    compare,
    distinct,
    gpt2,
    merged_over_cuts,
)
from grader.exercises.tokenizer.forms import ENCODERS
from grader.exercises.tokenizer.gpt2_merges import Merges
from grader.exercises.tokenizer.oracle import Trainer
from grader.exercises.tokenizer.speed import check_speed
from grader.gpt2.evidence import Evidence

_SOME = {slug: forms for slug, forms in ENCODERS.items() if not slug.startswith("special-")}


@cache
def _probes() -> tuple[Question, ...]:
    """Where one bug after another shows: cuts, the order of merges, and ids."""
    joined = Setup(merged_over_cuts(texts.PROBES, 150))
    trained = Setup(distinct(Trainer().train(" ".join(texts.PROBES), 256 + 120)))
    odd = Setup(((b"b", b"c"), (b"a", b"b"), (b"ab", b"c"), (b"c", b"a"), (b"bc", b"a")))
    return tuple(
        Question(setup, tuple(filter(setup.right.is_clear, texts.PROBES)))
        for setup in (joined, trained, odd)
    )


def _compare(evidence: Evidence, id: str, question: Question, what: str) -> None:
    compare(evidence, id, question, what, _SOME, (*_probes(), *_cuts()))


@check(
    "tokenizer.bytes",
    ENCODING,
    5,
    hints=(
        "Which id has the letter a, and which has a space?",
        "Without merges encode 'a', ' ' and 'é', and compare with the order in the brief.",
        "Ids of bytes: 33–126, 161–172 and 174–255 have 0 to 187; 0–32, 127–160 and 173 have 188 "
        "to 255. Encode the text's UTF-8 bytes.",
    ),
    examples=8,
)
@given(text=texts.texts(6))
def test_bytes(evidence: Evidence, text: str) -> None:
    """Without merges a text becomes its UTF-8 bytes, with ids in GPT-2's order."""
    question = Question(_bare(), (text, "".join(map(chr, range(128))), "éÿ\xad漢😀"))
    _compare(evidence, "tokenizer.bytes", question, "without merges")


@cache
def _bare() -> Setup:
    return Setup(())


@st.composite
def _orders(draw: st.DrawFn) -> tuple[Merges, tuple[str, ...]]:
    """Merges of a few letters in any order in which they can be made, and texts of these."""
    symbols = [b"a", b"b", b"c"]
    merges = []
    for left, right in draw(st.lists(st.tuples(*[st.integers(0, 11)] * 2), max_size=8)):
        pair = symbols[left % len(symbols)], symbols[right % len(symbols)]
        if len(pair[0] + pair[1]) < 7 and pair[0] + pair[1] not in symbols:
            symbols.append(pair[0] + pair[1])
            merges.append(pair)
    letters = st.text("abc", max_size=12)
    return tuple(merges), tuple(draw(st.lists(letters, min_size=1, max_size=8)))


@check(
    "tokenizer.merge_order",
    ENCODING,
    8,
    hints=(
        "Of several merges that fit, which is made first?",
        "With merges [(b, c), (a, b)] encode 'abc': it is a and bc.",
        "While any pair of neighbours is a merge: make the one that comes earliest in the list, at "
        "all its places, and look again.",
    ),
    examples=30,
)
@given(drawn=_orders())
def test_merge_order(evidence: Evidence, drawn: tuple[Merges, tuple[str, ...]]) -> None:
    """In every pre-token the earliest of the merges that fit is made, until none fits."""
    merges, words = drawn
    setup = Setup(merges)
    question = Question(setup, tuple(filter(setup.right.is_clear, words)))
    _compare(evidence, "tokenizer.merge_order", question, f"with merges {list(merges)}")


@check(
    "tokenizer.pre_tokens",
    ENCODING,
    9,
    hints=(
        "Where may a text be cut, and is it cut there?",
        "Print the pre-tokens of \"we'll  see: 3x²\\r\\n\" beside the brief's pattern.",
        "regex.findall with the brief's pattern, letter by letter; with re alone, \\p{L} and "
        "\\p{N} are the unicodedata categories that begin with L and N.",
    ),
)
def test_pre_tokens(evidence: Evidence) -> None:
    """The text is cut by GPT-2's pattern, and no merge reaches across a cut."""
    for question in _cuts():
        _compare(evidence, "tokenizer.pre_tokens", question, _OVER)


_OVER = "with merges that would join what GPT-2's pattern cuts"


@cache
def _cuts() -> tuple[Question, ...]:
    """Texts, a few for each tokenizer, with merges that would make each of them one token."""
    groups = [texts.CUTS[n : n + 12] for n in range(0, len(texts.CUTS), 12)]
    setups = [Setup(merged_over_cuts(group, 60)) for group in groups]
    return tuple(
        Question(setup, tuple(filter(setup.right.is_clear, group)))
        for setup, group in zip(setups, groups, strict=True)
    )


@check(
    "tokenizer.gpt2",
    ENCODING,
    6,
    hints=(
        "Which of the brief's rules does the text in the example touch?",
        "Print the bytes of each id that should come, and of each that does.",
        "Look at the steps one by one: pre-tokens, bytes, merges by their rank, ids.",
    ),
)
def test_gpt2(evidence: Evidence) -> None:
    """With GPT-2's own merges a text gets GPT-2's own ids."""
    for known in ((*texts.PROBES, *texts.CUTS), texts.LONG):
        question = Question(gpt2(), known)
        _compare(evidence, "tokenizer.gpt2", question, "with GPT-2's merges")


@check(
    "tokenizer.gpt2_any",
    ENCODING,
    6,
    hints=(
        "What is special about the characters of the text in the example?",
        "Print its pre-tokens and their bytes, and the bytes of each id that should come.",
        "Cut by the pattern, take UTF-8, merge by rank; change nothing in the text.",
    ),
    examples=12,
)
@given(drawn=st.lists(texts.texts(12), min_size=1, max_size=6))
def test_gpt2_any(evidence: Evidence, drawn: list[str]) -> None:
    """So does any Unicode text, and no merge reaches across a cut in it."""
    _compare(evidence, "tokenizer.gpt2_any", Question(gpt2(), tuple(drawn)), "with GPT-2's merges")
    setup = Setup(merged_over_cuts(drawn[:1], 20))
    if setup.right.is_clear(drawn[0]):
        _compare(evidence, "tokenizer.gpt2_any", Question(setup, (drawn[0],)), _OVER)


@check(
    "tokenizer.time",
    ENCODING,
    3,
    hints=(
        "What does your encode do again for every token that it has found?",
        "Time it on 'ab cd ' * 1000 and on 'ab cd ' * 16000.",
        "Merge inside of one pre-token at a time, and collect ids in one list with append or "
        "extend; do not cut the rest of the text off again and again.",
    ),
)
def test_time(evidence: Evidence) -> None:
    """Encoding takes about twice as long for a text twice as long."""
    check_speed(evidence)
