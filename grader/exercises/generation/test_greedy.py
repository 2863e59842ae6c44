"""Requirements of `generate` at temperature 0, where nothing is left to chance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grader.check import Failure, check
from grader.exercises.generation.common import Call, most_probable, random_call
from grader.exercises.generation.forms import GREEDY
from grader.exercises.generation.oracle import greedy, margin
from grader.gpt2.evidence import Evidence
from grader.sandbox.client import CandidateError

PART = "Greedy"
VOCAB = 7
_RAISED = "it raised "  # how a fault's message begins
_CLEAR = 1e-3  # by how much the most probable token leads: no rounding turns that round


@dataclass(frozen=True)
class Case:
    """What Hypothesis draws; `draw` seeds the model and the prompts."""

    rows: int
    length: int
    new: int
    block_size: int
    draw: int

    def call(self, **options: object) -> Call:
        """The call, on a model that always knows which token it wants most."""
        for attempt in range(self.draw, self.draw + 10_000_000, 10_000):
            made = random_call(attempt, VOCAB, self.block_size, (self.rows, self.length), self.new)
            path = greedy(made.script, made.idx, self.new, self.block_size)
            if margin(made.script, made.idx, path, self.block_size) > _CLEAR:
                return replace(made, options={"temperature": 0, **options})
        raise AssertionError("no clear model")


def cases(
    length: tuple[int, int], block_size: tuple[int, int], new: tuple[int, int] = (1, 5)
) -> st.SearchStrategy[Case]:
    """Cases within these bounds."""
    return st.builds(
        Case,
        rows=st.integers(1, 3),
        length=st.integers(*length),
        new=st.integers(*new),
        block_size=st.integers(*block_size),
        draw=st.integers(0, 9999),
    )


def _compare(evidence: Evidence, made: Call, what: str, id: str, others: Iterable[Call]) -> None:
    """Fail unless the most probable tokens come. others: calls by which a bug is told."""
    expected = most_probable(made)
    found = made.run(evidence).output
    if found.shape == expected.shape and (found == expected).all():
        return
    if id not in evidence.named:
        evidence.named[id] = _bug(evidence, others, id == "generation.eos")
    cause = evidence.named[id]
    raise Failure(
        f"{what}: expected {expected.tolist()}, found {found.tolist()[:4]}",
        made.counterexample(evidence, expected, found),
        cause,
        proven=bool(cause),
    )


def _bug(evidence: Evidence, calls: Iterable[Call], about_eos: bool) -> str:
    """The bug with which the oracle gives just the submission's tokens in all these calls."""
    names = [name for name in GREEDY if name.startswith("eos-") is about_eos]
    left = [(name, wrong) for name in names for wrong in GREEDY[name]]
    for made in calls:
        try:
            found = made.run(evidence).output
        except CandidateError:
            return ""
        eos = made.options.get("eos_token_id")
        given = made.script, made.idx, made.max_new_tokens, made.block_size, eos
        left = [(name, wrong) for name, wrong in left if np.array_equal(wrong(*given), found)]
    return left[0][0] if left else ""


def _with_eos(made: Call, pick: int) -> Call:
    """The call with a token as EOS that some row produces, so that it matters."""
    path = most_probable(made)
    produced = np.unique(path[:, made.idx.shape[1] :])
    eos = int(produced[pick % len(produced)])
    return replace(made, options={**made.options, "eos_token_id": eos})


@check(
    "generation.greedy",
    PART,
    14,
    hints=(
        "Which of the model's outputs is about the token that comes next?",
        "Print logits.shape, and the token you take from it, for a prompt of two tokens.",
        "Take logits[:, -1], its argmax over the last axis, and append that to idx along axis 1.",
    ),
    examples=20,
)
@given(case=cases((1, 3), (8, 9)))
def test_greedy(evidence: Evidence, case: Case) -> None:
    """At temperature 0 the most probable token after the last position is appended, each time."""
    others = (Case(2, 1 + n % 3, 4, 9, n).call() for n in range(8))
    what = "other tokens than the most probable ones"
    _compare(evidence, case.call(), what, "generation.greedy", others)


@check(
    "generation.crop",
    PART,
    10,
    hints=(
        "What happens when prompt and continuation grow longer than block_size?",
        "Print the shape of what you give to the model at each step, for block_size=4.",
        "Give the model idx[:, -block_size:], and keep the whole of idx for the result.",
    ),
    examples=16,
)
@given(case=cases((1, 7), (2, 5), (3, 6)))
def test_crop(evidence: Evidence, case: Case) -> None:
    """The model is given the last block_size tokens, and never more."""
    made = case.call()
    others = (Case(2, 1 + n % 5, 5, 3 + n % 2, n).call() for n in range(8))
    what = "other tokens than from the last block_size tokens"
    try:
        _compare(evidence, made, what, "generation.crop", others)
    except CandidateError as fault:
        if fault.status != "error" or "the model takes" not in fault.message:
            raise
        raise Failure(
            f"the model was given more than block_size = {case.block_size} tokens",
            made.counterexample(evidence, most_probable(made), fault.message.removeprefix(_RAISED)),
            "crop-missing",
            proven=True,
        ) from None


@check(
    "generation.eos",
    PART,
    12,
    hints=(
        "When is a row finished, and when is everything?",
        "Print the tokens of two rows, one of which reaches EOS first.",
        "Keep a mask of rows that have produced EOS: write EOS into those, and stop as soon as it "
        "is all true.",
    ),
    examples=24,
)
@given(case=cases((1, 3), (8, 9), (2, 7)), pick=st.integers(0, 99))
def test_eos(evidence: Evidence, case: Case, pick: int) -> None:
    """A row that has produced EOS goes on with EOS; the end is when every row has."""
    made = _with_eos(case.call(), pick)
    others = (_with_eos(Case(3, 1 + n % 3, 6, 9, n).call(), n) for n in range(12))
    what = f"with eos_token_id={made.options['eos_token_id']}"
    _compare(evidence, made, what, "generation.eos", others)
