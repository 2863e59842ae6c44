"""How train_bpe and BPETokenizer are called, and what they leave alone."""

from __future__ import annotations

from contextlib import suppress

from grader.check import Counterexample, Failure, check
from grader.exercises import contract
from grader.exercises.tokenizer.common import ENCODING, TOKENIZER, TRAIN, Question, Setup
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import import_line
from grader.sandbox.client import CandidateError
from grader.sandbox.client.exchange import Merges as SentMerges
from grader.sandbox.client.function import call
from grader.sandbox.client.many import attribute, each, hold


@check(
    "tokenizer.signature",
    ENCODING,
    2,
    hints=(
        "Compare names and arguments with the stub's, letter by letter.",
        "allow_special is given by name; special_tokens and allow_special have defaults.",
        "class BPETokenizer: __init__(self, merges, special_tokens=()); encode(self, text, *, "
        "allow_special=False); decode(self, ids); and def train_bpe(text, vocab_size).",
    ),
)
def test_signature(evidence: Evidence) -> None:
    """There are train_bpe and BPETokenizer, which take the stub's arguments by name."""
    contract.expect_there(evidence, TRAIN, TOKENIZER)
    try:
        call(evidence.subject, TRAIN, {"text": "a", "vocab_size": 256})
        given: dict[str, object] = {"merges": SentMerges(()), "special_tokens": ["<x>"]}
        tokenizer = call(evidence.subject, TOKENIZER, given, keep=True).held
        assert tokenizer is not None
        each(evidence.subject, tokenizer, "encode", ["a"], {"allow_special": False})
        each(evidence.subject, tokenizer, "decode", [[64]])
        attribute(evidence.subject, tokenizer, "vocab_size")
    except CandidateError as fault:
        mistaken = fault.message.startswith(("it raised TypeError", "it raised AttributeError"))
        if mistaken and fault.status == "error" and not fault.traceback:
            raise Failure(fault.message, cause="wrong-signature") from None
        raise


@check(
    "tokenizer.independent",
    ENCODING,
    3,
    hints=(
        "What do two tokenizers of your class have in common?",
        "Make two with different merges and encode the same text with the one, the other and the "
        "first again.",
        "Everything that hangs on the merges belongs on self, made in __init__: no class "
        "attributes, no defaults that change, no cache that knows the text alone; and no sort, pop "
        "or append on a list that is the caller's.",
    ),
)
def test_independent(evidence: Evidence) -> None:
    """Tokenizers have nothing to do with one another, nor with the lists of their callers."""
    _expect_apart(evidence)
    _expect_given_kept(evidence)
    _expect_returned_free(evidence)


def _expect_apart(evidence: Evidence) -> None:
    """Fail unless two tokenizers encode as if the other were not there."""
    setups = Setup(((b"q", b"u"),), ("<one>",)), Setup(((b"x", b"y"),))
    one, other = (Question(setup, ("quxy", "xyqu <one> quxy", "qu'xy"), True) for setup in setups)
    first = one.setup.build(evidence)
    if any(one.found(evidence, first) != one.expected() for _ in range(2)):
        return  # it is wrong by itself, and other checks say so
    before = repr(attribute(evidence.subject, first, "vocab_size"))
    second = other.setup.build(evidence)
    try:
        found = [other.found(evidence, second), one.found(evidence, first)]
    except CandidateError as fault:
        if fault.status == "error" and _right_alone(evidence, other):
            fault.cause = "tokenizers-share-state"
        raise
    after = repr(attribute(evidence.subject, first, "vocab_size"))
    if found != [other.expected(), one.expected()] or after != before:
        if after == before and not _right_alone(evidence, other):
            return  # so is the other
        lines = (
            "tokenizer.encode('quxy')",
            f"another = {TOKENIZER}({list(other.setup.merges)})",
            "print(another.encode('quxy'), tokenizer.encode('quxy'))",
        )
        expected, gives = (
            " ".join(str(ids[0]) for ids in both)
            for both in ([other.expected(), one.expected()], found)
        )
        raise Failure(
            "of two tokenizers with different merges one changes what the other gives",
            Counterexample(one.setup.code(evidence, *lines), expected, gives),
            "tokenizers-share-state",
        )


def _right_alone(evidence: Evidence, question: Question) -> bool:
    """Whether a tokenizer is right in a process in which there is no other."""
    evidence.subject.enter("alone")
    try:
        return question.found(evidence, question.setup.build(evidence)) == question.expected()
    except (CandidateError, Failure):
        return False


_MERGES = ((b"a", b"b"), (b"ab", b"c"), (b"b", b"a"))
# Sorted by length, or in alphabetical order, they would stand otherwise.
_GIVEN: dict[str, list[object]] = {
    "merges": list(_MERGES),
    "special_tokens": ["<b>", "<z><b>", "<a>"],
    "ids": [256, 64, 259, 260],
}


def _expect_given_kept(evidence: Evidence) -> None:
    """Fail unless lists that were given are as they were."""
    subject = evidence.subject
    held = {name: hold(subject, TOKENIZER, value) for name, value in _GIVEN.items()}
    merges, special, ids = held.values()
    tokenizer = call(subject, TOKENIZER, {}, args=[merges, special], keep=True).held
    assert tokenizer is not None
    with suppress(CandidateError):  # other checks say so
        each(subject, tokenizer, "encode", ["abc<z><b>"], {"allow_special": True})
    with suppress(CandidateError):
        each(subject, tokenizer, "decode", [ids])
    for name, value in _GIVEN.items():
        found = call(subject, "copy", {}, on=held[name]).value
        if found != value:
            raise Failure(
                f"the caller's list `{name}` was {value}, and is {found} afterwards",
                Counterexample(_using_lists(evidence, f"print({name})"), str(value), str(found)),
                "given-lists-changed",
            )


def _using_lists(evidence: Evidence, line: str) -> str:
    return "\n".join(
        [
            import_line(evidence.subject.submission.main, TOKENIZER),
            "",
            *(f"{name} = {value}" for name, value in _GIVEN.items()),
            f"tokenizer = {TOKENIZER}(merges, special_tokens)",
            "tokenizer.encode('abc<z><b>', allow_special=True)",
            "tokenizer.decode(ids)",
            line,
        ]
    )


def _expect_returned_free(evidence: Evidence) -> None:
    """Fail unless a list that came back can be changed, and the same text still has its ids."""
    question = Question(Setup(_MERGES), ("abc",))
    tokenizer, right = question.setup.build(evidence), question.expected()
    ids = call(evidence.subject, "encode", {}, args=["abc"], on=tokenizer, keep=True)
    if type(ids.value) is not list or [ids.value] != right:
        return  # it is wrong by itself, and other checks say so
    call(evidence.subject, "append", {}, args=[0], on=ids.held)
    again = call(evidence.subject, "encode", {}, args=["abc"], on=tokenizer, keep=True)
    call(evidence.subject, "append", {}, args=[0], on=again.held)
    found = question.found(evidence, tokenizer)
    if found != right:
        append = "tokenizer.encode('abc').append(0)"
        lines = (append, append, "print(tokenizer.encode('abc'))")
        raise Failure(
            "once the caller appends to the list that encode('abc') gave, encode('abc') gives "
            f"{found[0]}",
            Counterexample(question.setup.code(evidence, *lines), str(right[0]), str(found[0])),
            "remembers-wrongly",
        )
