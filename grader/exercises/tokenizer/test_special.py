"""Requirements of special tokens: their ids, and where they count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grader.check import Counterexample, Failure, check
from grader.exercises.tokenizer import texts
from grader.exercises.tokenizer.common import Question, Setup, compare
from grader.exercises.tokenizer.forms import ENCODERS
from grader.exercises.tokenizer.special import PLACES, TOKENS, VALIDATION_SIZE, alike, usual
from grader.exercises.tokenizer.special_forms import SPECIAL_ENCODERS
from grader.gpt2.evidence import Evidence
from grader.sandbox.client.exchange import words
from grader.sandbox.client.many import attribute

PART = "Special tokens"


def _compare_special(evidence: Evidence, id: str, question: Question, what: str) -> None:
    text = "<|end|> low [SEP][SEP][SEP]  <|pad|>\n\n\n x<|end|><|of|>  (x é😀* <|pad|>a.b"
    asked = (text, "axb low\n\n\n")
    probes = [Question(usual(), asked, allow) for allow in (True, False)]
    # What is wrong without special tokens was told by what shows it best, or is not known.
    told = set(evidence.named.values())
    others = {slug: forms for slug, forms in ENCODERS.items() if slug in told or "special" in slug}
    compare(evidence, id, question, what, {**SPECIAL_ENCODERS, **others}, probes)


@check(
    "tokenizer.special_ids",
    PART,
    5,
    hints=(
        "Which id comes after that of the last merge?",
        "Print vocab_size, and the ids of each special token with allow_special=True.",
        "The n-th special token, from 0, has the id 256 + len(merges) + n; vocab_size counts all.",
    ),
)
def test_special_ids(evidence: Evidence) -> None:
    """Special tokens have the ids after the merges, in the order given; vocab_size counts all."""
    setups = (Setup(()), Setup(usual().merges), Setup((), ("<z>", "<a>")), usual(), alike())
    for setup in setups:
        if setup.special:
            question = Question(setup, setup.special, True)
            _compare_special(evidence, "tokenizer.special_ids", question, "a special token")
        _expect_vocab_size(evidence, setup)
    # Where a special token's text is that of a byte or a merge, this keeps the id that it had.
    question = Question(alike(), alike().special)
    _compare_special(evidence, "tokenizer.special_ids", question, "without allow_special")


def _expect_vocab_size(evidence: Evidence, setup: Setup) -> None:
    """Fail unless vocab_size counts bytes, merges and special tokens."""
    size, right = attribute(evidence.subject, setup.held(evidence), "vocab_size"), setup.right
    if type(size) is int and size == right.vocab_size:
        return
    found = size if type(size) is int else words(size)
    shared = sum(token.encode() in right.ids for token in setup.special)
    raise Failure(
        f"with {len(setup.merges)} merges and {len(setup.special)} special tokens "
        f"vocab_size should be {right.vocab_size}, found {found}",
        Counterexample(
            setup.code(evidence, "print(tokenizer.vocab_size)"), str(right.vocab_size), str(found)
        ),
        "special-shares-an-id" if found == right.vocab_size - shared else "vocab-size-wrong",
    )


def _with_tokens() -> st.SearchStrategy[str]:
    token = st.sampled_from(TOKENS)
    return st.lists(st.one_of(token, token, texts.pieces()), max_size=8).map("".join)


@check(
    "tokenizer.special_ordinary",
    PART,
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
    if usual().right.is_clear(text):
        question = Question(usual(), (text,))
        _compare_special(evidence, "tokenizer.special_ordinary", question, "without allow_special")


@check(
    "tokenizer.special_allowed",
    PART,
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
    beside = Question(alike(), VALIDATION_SIZE, True)
    _compare_special(evidence, "tokenizer.special_allowed", beside, "with allow_special")
    parts = (part for part, special in usual().right.split(text) if not special)
    if all(map(usual().right.is_clear, parts)):
        question = Question(usual(), (*PLACES, text), True)
        _compare_special(evidence, "tokenizer.special_allowed", question, "with allow_special")
