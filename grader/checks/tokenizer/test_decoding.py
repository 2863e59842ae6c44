"""Requirements of `BPETokenizer.decode`, and of special tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from grader.checks.api import Counterexample, Failure, check
from grader.checks.evidence import Evidence
from grader.checks.tokenizer import texts
from grader.checks.tokenizer.common import Question, Setup, compare, cut, distinct, short
from grader.oracle.tokenizer import Trainer
from grader.oracle.tokenizer_decoders import DECODERS
from grader.oracle.tokenizer_forms import ENCODERS
from grader.remote import CandidateError
from grader.remote.exchange import words
from grader.remote.many import attribute, each

PART, SPECIAL = "Decoding", "Special tokens"
# Out of order, one the beginning of another, and signs that mean something in patterns.
_TOKENS = (
    *("<|endoftext|>", "<|end|>", "[SEP]", "<|end|><|of|>", "a.b", "(x", "é😀", "<|pad|>", "*.*"),
    *("\n\n\n", "[SEP][SEP]"),
)


@cache
def _setup() -> Setup:
    """Merges that go through the middle of characters, and special tokens."""
    merges = distinct(Trainer().train(" ".join(texts.PROBES), 256 + 150))
    return Setup(merges, _TOKENS)


def _compare(evidence: Evidence, id: str, asked: Sequence[list[int]], what: str) -> None:
    """Fail unless the submission decodes as the oracle does."""
    setup = _setup()
    for ids, text in zip(asked, _decoded(evidence, asked), strict=True):
        right = setup.right.decode(ids)
        if text == right:
            continue
        if id not in evidence.named:
            evidence.named[id] = _bug(evidence, asked)
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


def _decoded(evidence: Evidence, asked: Sequence[list[int]]) -> list[str]:
    """What the submission decodes, checked to be texts."""
    held = _setup().held(evidence)
    try:
        found = each(evidence.subject, held, "decode", asked).values
    except CandidateError as fault:
        raise _blamed(evidence, asked, fault) from None
    for text in found:
        if type(text) is not str:
            unwritten = all(item is None for item in found)
            cause = "not-implemented" if unwritten else "wrong-return-type"
            raise Failure(f"expected a str from decode, found {words(text)}", cause=cause)
    return found


def _blamed(
    evidence: Evidence, asked: Sequence[list[int]], fault: CandidateError
) -> CandidateError:
    """The fault, with the ids for which it comes."""
    if fault.status != "error":
        return fault
    for ids in asked:
        try:
            each(evidence.subject, _setup().held(evidence), "decode", [ids])
        except CandidateError as found:
            strict = "UnicodeDecodeError" in found.message
            return CandidateError(
                found.status,
                f"for decode({cut(ids)}) {found.message}",
                found.traceback,
                "decodes-strictly" if strict else "raises-for-ids",
            )
    return fault


def _bug(evidence: Evidence, failed: Sequence[list[int]]) -> str:
    """The bug with which the oracle decodes as the submission does, these ids and others."""
    right = _setup().right
    asked = [right.encode(text, True) for text in (*texts.PROBES, "<|end|>a.b[SEP] low")]
    asked += [[n, n + 1] for n in range(0, right.vocab_size - 1, 7)] + list(failed)
    try:
        found = _decoded(evidence, asked)
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


def _compare_special(evidence: Evidence, id: str, question: Question, what: str) -> None:
    text = "<|end|> low [SEP][SEP][SEP]  <|pad|>\n\n\n x<|end|><|of|>  (x é😀* <|pad|>a.b"
    probes = [Question(_setup(), (text, "axb low\n\n\n"), allow) for allow in (True, False)]
    special = {slug: forms for slug, forms in ENCODERS.items() if slug.startswith("special-")}
    compare(evidence, id, question, what, {**special, **ENCODERS}, probes)


@check(
    "tokenizer.special_ids",
    SPECIAL,
    5,
    hints=(
        "Which id comes after that of the last merge?",
        "Print vocab_size, and the ids of each special token with allow_special=True.",
        "The n-th special token, from 0, has the id 256 + len(merges) + n; vocab_size counts all.",
    ),
)
def test_special_ids(evidence: Evidence) -> None:
    """Special tokens have the ids after the merges, in the order given; vocab_size counts all."""
    for setup in (Setup(()), Setup(_setup().merges), Setup((), ("<z>", "<a>")), _setup()):
        question = Question(setup, setup.special, True)
        if setup.special:
            _compare_special(evidence, "tokenizer.special_ids", question, "a special token")
        size, right = attribute(evidence.subject, setup.held(evidence), "vocab_size"), setup.right
        if type(size) is not int or size != right.vocab_size:
            found = size if type(size) is int else words(size)
            raise Failure(
                f"with {len(setup.merges)} merges and {len(setup.special)} special tokens "
                f"vocab_size should be {right.vocab_size}, found {found}",
                Counterexample(
                    setup.code(evidence, "print(tokenizer.vocab_size)"),
                    str(right.vocab_size),
                    str(found),
                ),
                "vocab-size-wrong",
            )


_PLACES = (
    *("<|end|>", "a<|end|>b", "<|end|><|end|>", " <|end|> ", "a  <|end|>  b", "1<|pad|>2<|pad|>"),
    *("[SEP][SEP][SEP]", "<|end|><|of|>", "<|end|><|of|><|end|>", "a.b axb", "(x)", "<|end", ""),
)


def _with_tokens() -> st.SearchStrategy[str]:
    token = st.sampled_from(_TOKENS)
    return st.lists(st.one_of(token, token, texts.pieces()), max_size=8).map("".join)


@check(
    "tokenizer.special_ordinary",
    SPECIAL,
    4,
    hints=(
        "May somebody who writes '<|endoftext|>' in a chat end the text?",
        "Encode a special token's text without allow_special.",
        "Look for special tokens only if allow_special is true.",
    ),
    examples=10,
)
@given(text=_with_tokens())
def test_special_ordinary(evidence: Evidence, text: str) -> None:
    """Without allow_special special tokens in a text are text like any other."""
    if _setup().right.is_clear(text):
        question = Question(_setup(), (text,))
        _compare_special(evidence, "tokenizer.special_ordinary", question, "without allow_special")


@check(
    "tokenizer.special_allowed",
    SPECIAL,
    7,
    hints=(
        "What is to the left of a special token, and what to the right?",
        "Encode 'a  <|end|><|end|>b' with allow_special=True.",
        "Split the text at the special tokens, the longest first in a pattern of re.escape'd "
        "alternatives in brackets; encode what lies between by itself.",
    ),
    examples=25,
)
@given(text=_with_tokens())
def test_special_allowed(evidence: Evidence, text: str) -> None:
    """With allow_special each becomes its id, and what lies between is encoded by itself."""
    parts = (part for part, special in _setup().right.split(text) if not special)
    if all(map(_setup().right.is_clear, parts)):
        question = Question(_setup(), (*_PLACES, text), True)
        _compare_special(evidence, "tokenizer.special_allowed", question, "with allow_special")


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
    asked = [*_known_ids(), _setup().right.encode(text)]
    _compare(evidence, "tokenizer.round_trip", asked, "the ids of a text")


@cache
def _known_ids() -> tuple[list[int], ...]:
    return tuple(map(_setup().right.encode, texts.PROBES))


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
@given(ids=st.lists(st.integers(0, 405 + len(_TOKENS)), max_size=12))
def test_bad_bytes(evidence: Evidence, ids: list[int]) -> None:
    """Bytes that are no UTF-8 become U+FFFD, and special tokens their text."""
    last = _setup().right.vocab_size - 1
    asked = [[min(id, last) for id in ids], [min([*ids, 200], default=0)], [128, 200], []]
    _compare(evidence, "tokenizer.bad_bytes", asked, "any ids")


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
    setup = _setup()
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
