"""A tokenizer of the submission, what it gives, and the code that shows the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from weakref import WeakKeyDictionary

from grader.check import Counterexample, Failure
from grader.exercises.tokenizer.gpt2_merges import Merges, gpt2_merges
from grader.exercises.tokenizer.oracle import Pair, Tokenizer, Trainer
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import import_line
from grader.sandbox.client import CandidateError
from grader.sandbox.client.exchange import Merges as SentMerges
from grader.sandbox.client.exchange import RemoteRef, words
from grader.sandbox.client.function import call
from grader.sandbox.client.many import each

TRAIN, TOKENIZER = "train_bpe", "BPETokenizer"
ENCODING = "Encoding"  # a part of two files
Ids = list[int]
_MANY = 300  # merges, which are too many to be shown


@dataclass(frozen=True, eq=False)  # 50,000 merges would take long to compare
class Setup:
    """What a tokenizer is made of."""

    merges: Merges
    special: tuple[str, ...] = ()

    @cached_property
    def right(self) -> Tokenizer:
        """As it should be."""
        return Tokenizer(self.merges, self.special)

    def build(self, evidence: Evidence) -> RemoteRef:
        """The submission's, made anew."""
        args: list[object] = [SentMerges(self.merges)]
        if self.special:
            args.append(list(self.special))
        try:
            held = call(evidence.subject, TOKENIZER, {}, args=args, keep=True).held
        except CandidateError as fault:
            if self.special and _is_no_pattern(fault):
                fault.cause = "special-not-escaped"
            raise
        assert held is not None
        return held

    def held(self, evidence: Evidence) -> RemoteRef:
        """The submission's, kept for the next question."""
        known = _KEPT.setdefault(evidence, {})
        held = known.get(self)
        if held is None or not evidence.subject.holds(held):
            held = known[self] = self.build(evidence)
        return held

    def code(self, evidence: Evidence, *lines: str) -> str:
        """Python that makes it and goes on with these lines."""
        if len(self.merges) > _MANY:
            merges = "list(gpt2_merges())"
            first = ["from grader.exercises.tokenizer.gpt2_merges import gpt2_merges"]
        else:
            merges, first = repr(list(self.merges)), []
        special = f", {list(self.special)!r}" if self.special else ""
        return "\n".join(
            [
                *first,
                import_line(evidence.subject.submission.main, TOKENIZER),
                "",
                f"tokenizer = {TOKENIZER}({merges}{special})",
                *lines,
            ]
        )


_KEPT: WeakKeyDictionary[Evidence, dict[Setup, RemoteRef]] = WeakKeyDictionary()


@cache
def gpt2() -> Setup:
    """GPT-2's own."""
    return Setup(gpt2_merges())


@dataclass(frozen=True)
class Question:
    """Texts to encode, one after the other."""

    setup: Setup
    texts: tuple[str, ...]
    allow_special: bool = False

    def expected(self, tokenizer: type[Tokenizer] = Tokenizer) -> list[Ids]:
        """What a tokenizer gives, right or wrong."""
        plain = tokenizer is Tokenizer
        made = self.setup.right if plain else tokenizer(self.setup.merges, self.setup.special)
        return [made.encode(text, self.allow_special) for text in self.texts]

    def found(self, evidence: Evidence, held: RemoteRef | None = None) -> list[Ids]:
        """What the submission gives. held: which tokenizer of it, if not the one that is kept."""
        held = held or self.setup.held(evidence)
        options = {"allow_special": True} if self.allow_special else {}
        try:
            found = each(evidence.subject, held, "encode", self.texts, options).values
        except CandidateError as fault:
            raise self._blamed(evidence, held, fault) from None
        for text, ids in zip(self.texts, found, strict=True):
            if type(ids) is not list or not all(type(id) is int for id in ids):
                raise Failure(
                    f"expected a list of int from encode({short(text)}), found {words(ids)}",
                    self._of_type(evidence, text, ids),
                    cause_of_type(self.texts, found),
                )
        return found

    def _blamed(self, evidence: Evidence, held: RemoteRef, fault: CandidateError) -> CandidateError:
        """The fault, with the text for which it comes."""
        if fault.status != "error":
            return fault
        options = {"allow_special": True} if self.allow_special else {}
        for text in self.texts:
            try:
                each(evidence.subject, held, "encode", [text], options)
            except CandidateError as found:
                cause = _cause_of(text, found)
                message = f"for encode({short(text)}) {found.message}"
                return CandidateError(found.status, message, found.traceback, cause)
        return fault

    def counterexample(
        self, evidence: Evidence, text: str, expected: object, found: object
    ) -> Counterexample:
        """The question up to this text, as code."""
        before = self.texts[: self.texts.index(text)]
        option = ", allow_special=True" if self.allow_special else ""
        lines = [f"tokenizer.encode({earlier!r}{option})" for earlier in before]
        code = self.setup.code(evidence, *lines, f"print(tokenizer.encode({text!r}{option}))")
        return Counterexample(code, str(expected), str(found))

    def _of_type(self, evidence: Evidence, text: str, found: object) -> Counterexample:
        """What is in what comes back for this text, as code."""
        option = ", allow_special=True" if self.allow_special else ""
        lines = (
            f"ids = tokenizer.encode({text!r}{option})",
            'print(type(ids).__name__, {type(id).__name__ for id in ids} - {"int"} or "")',
        )
        return Counterexample(self.setup.code(evidence, *lines), "list", words(found))


def cause_of_type(texts: Sequence[str], found: Sequence[object]) -> str:
    """What values of a wrong type point to."""
    unwritten = any(texts) and all(item is None for item in found)
    return "not-implemented" if unwritten else "wrong-return-type"


def _is_no_pattern(fault: CandidateError) -> bool:
    """Whether a text was taken for a pattern, and is none. No text of ours has an escape."""
    return bool(re.search(r"raised (\w+\.)?(error|PatternError): (?!bad escape)", fault.message))


def is_slip(fault: CandidateError) -> bool:
    """Whether an error has nothing to do with the text: a name that there is not."""
    return bool(re.search(r"raised (NameError|AttributeError: (?!'NoneType'))", fault.message))


def _cause_of(text: str, fault: CandidateError) -> str:
    """What an error for a text points to."""
    if fault.cause != "crashes" or is_slip(fault):
        return fault.cause
    if _is_no_pattern(fault):
        return "special-not-escaped"
    if "UnicodeEncodeError" in fault.message:
        return "latin-1"
    if "KeyError" in fault.message and not text.isascii():
        return "characters-not-bytes"
    return "raises-for-a-text"


def short(text: str) -> str:
    """A text as Python writes it, cut if it is long."""
    shown = repr(text)
    return shown if len(shown) < 100 else f"{shown[:60]} … {shown[-30:]}"


def compare(
    evidence: Evidence,
    id: str,
    question: Question,
    what: str,
    forms: dict[str, tuple[type[Tokenizer], ...]],
    probes: Iterable[Question],
) -> None:
    """Fail unless the submission encodes as the oracle does.

    forms: bugs that this may be, told by what the submission gives for the probes.
    """
    expected, found = question.expected(), question.found(evidence)
    for text, right, ids in zip(question.texts, expected, found, strict=True):
        if right == ids:
            continue
        if id not in evidence.named:
            evidence.named[id] = _bug(evidence, [*probes, question], forms, question)
        cause = evidence.named[id]
        shown = _with_few_merges(evidence, question, text) or (question, right, ids)
        raise Failure(
            f"{what}: encode({short(text)}) should give {cut(shown[1])}, and gives {cut(shown[2])}",
            shown[0].counterexample(evidence, text, shown[1], shown[2]),
            cause or ("special-otherwise" if question.setup.special else "ids-otherwise"),
            proven=bool(cause) and cause != "remembers-wrongly",
        )


def cut(ids: Sequence[object]) -> str:
    """Ids in few words."""
    return str(list(ids)) if len(ids) < 20 else f"{str(list(ids[:20]))[:-1]}, …]"


def _with_few_merges(
    evidence: Evidence, question: Question, text: str
) -> tuple[Question, Ids, Ids] | None:
    """The same with only those of many merges that can matter, if it shows the same."""
    if len(question.setup.merges) <= _MANY:
        return None
    data = text.encode()
    few = tuple(pair for pair in question.setup.merges if pair[0] + pair[1] in data)
    less = Question(Setup(few, question.setup.special), (text,), question.allow_special)
    try:
        found = less.found(evidence, less.setup.build(evidence))[0]
    except (CandidateError, Failure):
        return None
    right = less.expected()[0]
    return None if found == right else (less, right, found)


def _bug(
    evidence: Evidence,
    questions: Sequence[Question],
    forms: dict[str, tuple[type[Tokenizer], ...]],
    failed: Question,
) -> str:
    """The bug with which the oracle gives what the submission gives, in all these questions."""
    try:
        kept, together = (
            failed.found(evidence),
            failed.found(evidence, failed.setup.build(evidence)),
        )
        alone = failed.setup.build(evidence)
        single = [
            Question(failed.setup, (text,), failed.allow_special).found(evidence, alone)[0]
            for text in reversed(failed.texts)
        ]
        if kept != together or together != single[::-1]:
            return "remembers-wrongly"
        asked = [(question, question.found(evidence)) for question in questions]
    except (CandidateError, Failure):
        return ""
    return next(
        (
            slug
            for slug, wrongs in forms.items()
            for wrong in wrongs
            if all(gives(question, wrong) == found for question, found in asked)
        ),
        "",
    )


def gives(question: Question, wrong: type[Tokenizer]) -> list[Ids] | None:
    """What a wrong tokenizer gives; None if it fails."""
    try:
        return question.expected(wrong)
    except (KeyError, ValueError, StopIteration, re.error):
        return None


def merged_over_cuts(texts: Sequence[str], most: int) -> Merges:
    """Merges with which texts become few tokens if nothing cuts them, none giving the same."""

    class Uncut(Trainer):
        def pieces(self, text: str) -> Iterable[str]:
            return texts

    return distinct(Uncut().train("", 256 + most))


def distinct(merges: Iterable[Pair]) -> Merges:
    """The merges up to where two would give the same bytes."""
    made: dict[bytes, Pair] = {}
    for left, right in merges:
        if left + right in made:
            break
        made[left + right] = (left, right)
    return tuple(made.values())
