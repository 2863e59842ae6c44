"""What a position of CausalSelfAttention sees, and what it does not."""

from __future__ import annotations

import numpy as np

from grader.checks.api import Failure
from grader.checks.evidence import Evidence
from grader.checks.experiment import HUGE, Case, worst
from grader.checks.gpt2 import common

_NAME = "CausalSelfAttention"


def check_no_leak(evidence: Evidence, case: Case) -> None:
    """Fresh random vectors after a cut change nothing before it."""
    experiment = evidence.experiment(_NAME, case)
    cut = 1 + case.draw % (case.time - 1)
    fresh = experiment.normal("fresh", experiment.x.shape)
    changed = experiment.x.copy()
    changed[:, cut:] = fresh[:, cut:]
    before, after = experiment.module.outputs([experiment.x, changed], experiment.theta)
    leak = np.abs(after - before)[:, :cut]
    if not common.same(before[:, :cut], after[:, :cut]):
        row, t, _ = worst(leak)
        raise Failure(
            f"position {t} sees the future: new random vectors from position {cut} on change its "
            f"output by {leak.max():.3g}",
            experiment.counterexample(
                "changed = x.clone()",
                f"changed[:, {cut}:] = fresh[:, {cut}:]",
                f"print((model(changed) - model(x))[{row}, :{cut}])",
                expected="zeros",
                found=(after - before)[row, :cut],
            ),
            "mask-too-weak" if case.regime is HUGE else "mask-none",
        )


def check_gradient(evidence: Evidence, case: Case) -> None:
    """Outputs before a cut have no gradient with respect to inputs after it."""
    experiment = evidence.experiment(_NAME, case)
    cut = 1 + case.draw % (case.time - 1)
    weights = experiment.rng.normal(0.0, 1.0, experiment.x.shape)
    weights[:, cut:] = 0.0
    _, gradients = experiment.module.gradient(experiment.x, experiment.theta, weights)
    gradient = gradients[-1]
    if gradient is not None and np.abs(gradient[:, cut:]).max() > common.UNCHANGED:
        raise Failure(
            f"the outputs before position {cut} have a gradient with respect to inputs from "
            f"position {cut} on",
            experiment.counterexample(
                "x.requires_grad_()",
                f"model(x)[:, :{cut}].sum().backward()",
                f"print(x.grad[:, {cut}:])",
                expected="zeros",
                found=gradient[:, cut:],
            ),
        )


def check_visible(evidence: Evidence, case: Case) -> None:
    """Every position feels itself and every earlier position."""
    experiment = evidence.experiment(_NAME, case)
    fresh = experiment.normal("fresh", experiment.x.shape)
    inputs = [experiment.x]
    for s in range(case.time):
        inputs.append(experiment.x.copy())
        inputs[-1][:, s] = fresh[:, s]
    before, *after = experiment.module.outputs(inputs, experiment.theta)
    for s, output in enumerate(after):
        felt = np.abs(output - before).max(-1)[:, s:]  # (B, positions from s on)
        if felt.min() > common.UNCHANGED:
            continue
        t = s + int(felt.min(0).argmin())
        raise Failure(
            f"position {t} does not see position {s}, though it is "
            f"{'the same one' if s == t else 'an earlier one'}",
            experiment.counterexample(
                "changed = x.clone()",
                f"changed[:, {s}] = fresh[:, {s}]",
                f"print((model(changed) - model(x))[:, {t}])",
                expected="anything but zeros",
                found=(output - before)[:, t],
            ),
            "mask-strict" if s == t else "",
        )
