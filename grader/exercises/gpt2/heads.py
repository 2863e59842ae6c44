"""What twists say of the heads of an attention: whose keys are whose, and how distance counts."""

from __future__ import annotations

import numpy as np

from grader.check import Failure
from grader.exercises.gpt2 import common
from grader.gpt2 import twists
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import Case
from grader.gpt2.layouts import AttentionLayout
from grader.gpt2.layouts.box import CLOSE
from grader.gpt2.models import Size

_NAME = "CausalSelfAttention"


def expect_shared(layout: AttentionLayout, size: Size) -> None:
    """Fail unless the heads that are to share keys and values do, and no others."""
    if layout.shares_as_asked or layout.heads != size["num_heads"]:
        return  # the latter is what another check is about
    wanted = layout.asked.key_heads(layout.heads)
    raise Failure(
        f"expected {wanted} heads of keys and values for num_heads={layout.heads}, found "
        f"{layout.key_heads}: the brief asks for {twists.words('keys', layout.asked)}"
    )


def expect_distance_felt(evidence: Evidence, case: Case) -> None:
    """With ALiBi it matters in which order the past comes."""
    experiment = evidence.experiment(_NAME, case)
    shuffled = experiment.x.copy()
    shuffled[:, :-1] = np.roll(shuffled[:, :-1], 1, axis=1)
    before, after = experiment.module.outputs([experiment.x, shuffled], experiment.theta)
    if common.same(before[:, -1], after[:, -1], CLOSE):
        raise Failure(
            "the last position's output stays the same when the positions before it change "
            "places: no score hangs on the distance",
            experiment.counterexample(
                "shuffled = x.clone()",
                "shuffled[:, :-1] = x[:, :-1].roll(1, dims=1)",
                "print((model(shuffled) - model(x))[:, -1])",
                expected="anything but zeros",
                found=(after - before)[:, -1],
            ),
            "without-alibi",
        )
