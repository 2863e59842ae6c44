"""The model's logits after loading are those of the checkpoint."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grader.check import Failure, check
from grader.exercises.pretrained.common import Case, cases, equal, fresh, loaded, size_of
from grader.exercises.pretrained.naming import check_equal, closest
from grader.gpt2.evidence import Evidence

PART = "Weights"
_DEEP = Case(size_of(7, 2, 1, 25, 3), 5)
_LONG = Case(size_of(331, 2, 3, 1, 130), 4)  # many tokens and places


@check(
    "pretrained.equals",
    PART,
    36,
    hints=(
        "Which of your parameters keeps what each variable of the table holds, and in which order?",
        "Load variables that are zero but for one, and look for it in your parameters. Begin with "
        "attn/c_proj/w: it is square, so that no shape tells whether it lies the right way.",
        "w is [1, n_in, n_out] for x @ w[0]; nn.Linear keeps (n_out, n_in): transpose every one. "
        "Split c_attn's columns into q, k and v, and each of these into heads.",
    ),
    examples=10,
)
@given(case=cases(st.integers(1, 3)))
def test_equals(evidence: Evidence, case: Case) -> None:
    """Afterwards the logits are what OpenAI's model gives with these variables."""
    check_equal(evidence, case)
    check_equal(evidence, _LONG)


@check(
    "pretrained.layers",
    PART,
    8,
    hints=(
        "Does h10 come after h9 in your code?",
        "Print in which order your code takes the blocks of a model of twelve.",
        "Take the number out of the name and turn it into an int, or make the names from a range.",
    ),
    examples=1,
)
@given(case=cases(st.just(12)))
def test_layers(evidence: Evidence, case: Case) -> None:
    """Every block gets the variables of its own number, however many there are."""
    check_equal(evidence, case, many=True)
    check_equal(evidence, _DEEP, many=True)


@check(
    "pretrained.again",
    PART,
    6,
    hints=(
        "Does it matter what the model held before?",
        "Load two checkpoints one after the other into one model: which one do the logits show?",
        "Copy values over the old ones, for all parameters and in every call.",
    ),
)
def test_again(evidence: Evidence) -> None:
    """A second checkpoint takes the place of the first, in this model and in no other."""
    size = size_of(6, 2, 4, 2, 4)
    first, second = Case(size, 10), Case(size, 11)
    (one, idx), (two, _) = first.drawn(), second.drawn()
    model, other = fresh(evidence, size), fresh(evidence, size)
    other.call(idx)  # puts it in eval mode
    for variables, module in ((one, model), (one, other), (two, model)):
        loaded(evidence, module, variables)
    for variables, module, which in ((two, model, "second"), (one, other, "first")):
        found = module.call(idx)
        if equal(evidence, found, closest(variables, size, idx, found)):
            continue
        if which == "first":
            before = closest(two, size, idx, found)
            words = "another model that was loaded before gives different logits"
            coupled = equal(evidence, found, before)
            raise Failure(words, cause="memory-shared" if coupled else "variables-not-loaded")
        stays = equal(evidence, found, closest(one, size, idx, found))
        added = {name: np.add(one[name], two[name]) for name in one}
        cause = "loaded-once" if stays else ""
        if equal(evidence, found, closest(added, size, idx, found)):
            cause = "added-to-what-was"
        raise Failure(
            "after a second checkpoint the logits are not those of the second"
            + (" but of the first" if stays else ""),
            cause=cause,
        )
