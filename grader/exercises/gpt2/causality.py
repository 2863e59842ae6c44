"""What a position of CausalSelfAttention sees, and what it does not."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from grader.check import Failure
from grader.exercises.gpt2 import common, long
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import HUGE, SMALL, Case, Experiment, worst
from grader.sandbox.client import CandidateError

_NAME = "CausalSelfAttention"
_LONG = (96, 256)  # tokens: code that cuts sequences up has done so by then


def check_no_leak(evidence: Evidence, case: Case) -> None:
    """Fresh random vectors after a cut change nothing before it."""
    experiment = evidence.experiment(_NAME, case)
    cut = 1 + case.draw % (case.time - 1)
    fresh = experiment.normal("fresh", experiment.x.shape)
    changed = experiment.x.copy()
    changed[:, cut:] = fresh[:, cut:]
    try:
        before, after = experiment.module.outputs([experiment.x, changed], experiment.theta)
    except CandidateError as fault:
        if case.regime is HUGE and fault.cause == "not-finite":
            return  # no leak, but an overflow, which is worth less and is told elsewhere
        raise
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


def check_no_leak_when_long(evidence: Evidence) -> None:
    """The last of many tokens changes nothing before it. Asked once."""
    key = "leak when long"
    if key not in evidence.measured:
        sizes = ({"embed_dim": 4, "num_heads": 2, "block_size": time} for time in _LONG)
        leaks = (
            size["block_size"]
            for size in sizes
            if long.sees_future(evidence, _NAME, size, size["block_size"])
        )
        evidence.measured[key] = None
        with suppress(CandidateError):  # which is no leak, and told by other checks
            evidence.measured[key] = next(leaks, None)
    if evidence.measured[key]:
        raise Failure(
            f"in a sequence of {evidence.measured[key]} tokens positions see later ones",
            cause="mask-none",
        )


def shuffled(experiment: Experiment, seen: slice) -> list[np.ndarray]:
    """The last position's output, and what it is when those before it change places."""
    other = experiment.x.copy()
    other[:, seen] = np.roll(other[:, seen], 1, axis=1)
    outputs = experiment.module.outputs([experiment.x, other], experiment.theta)
    return [output[:, -1] for output in outputs]


def check_no_leak_in_training(evidence: Evidence, case: Case, dropout_p: float) -> None:
    """The same in train mode, chance being alike before both calls."""
    experiment = evidence.experiment(_NAME, case, dropout_p=dropout_p)
    cut = 1 + case.draw % (case.time - 1)
    changed = experiment.x.copy()
    changed[:, cut:] = experiment.normal("fresh", changed.shape)[:, cut:]
    before, after = experiment.module.alike([experiment.x, changed], experiment.theta, case.draw)
    leak = np.abs(after - before)[:, :cut]
    if not common.same(before[:, :cut], after[:, :cut]):
        row, t, _ = worst(leak)
        arguments = ", ".join(f"{key}={value}" for key, value in case.size.items())
        raise Failure(
            f"in train mode (dropout_p = {dropout_p:g}) position {t} sees the future: new random "
            f"vectors from position {cut} on change its output by {leak.max():.3g}",
            experiment.counterexample(
                f"noisy = {_NAME}({arguments}, dropout_p={dropout_p}).train()",
                "noisy.load_state_dict(model.state_dict())",
                "changed = x.clone()",
                f"changed[:, {cut}:] = fresh[:, {cut}:]",
                f"torch.manual_seed({case.draw})",
                "y = noisy(x)",
                f"torch.manual_seed({case.draw})",
                f"print((noisy(changed) - y)[{row}, :{cut}])",
                expected="zeros",
                found=(after - before)[row, :cut],
            ),
            "mask-not-in-training",
        )


def check_gradient(evidence: Evidence, case: Case) -> None:
    """Outputs before a cut have no gradient with respect to inputs after it."""
    experiment = evidence.experiment(_NAME, case)
    cut = 1 + case.draw % (case.time - 1)
    weights = experiment.rng.normal(0.0, 1.0, experiment.x.shape)
    weights[:, cut:] = 0.0
    _, gradients = experiment.module.gradient(experiment.x, experiment.theta, weights)
    gradient = gradients[-1]
    if gradient is None or not gradient[:, :cut].any():
        if gradient is not None and _has_gradient(experiment):
            return  # some is cut off, or a position is hidden from itself, as other checks say
        raise Failure(
            f"no gradient of the outputs before position {cut} reaches the inputs there: nothing "
            "below this module could learn",
            experiment.counterexample(
                "x.requires_grad_()",
                "print(model(x).requires_grad)",
                expected="True",
                found="False",
            )
            if gradient is None
            else None,
            "no-grad-in-forward" if gradient is None else "detach-breaks-gradients",
        )
    if np.abs(gradient[:, cut:]).max() > common.UNCHANGED:
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


def _has_gradient(experiment: Experiment) -> bool:
    weights = experiment.rng.normal(0.0, 1.0, experiment.x.shape)
    _, gradients = experiment.module.gradient(experiment.x, experiment.theta, weights)
    return gradients[-1] is not None and bool(gradients[-1].any())


def check_visible(evidence: Evidence, case: Case) -> None:
    """Every position feels itself and every earlier position, as far as it is to see; with small
    scores, for a saturated softmax hides some.
    """
    experiment = evidence.experiment(_NAME, replace(case, regime=SMALL))
    fresh = experiment.normal("fresh", experiment.x.shape)
    inputs = [experiment.x]
    for s in range(case.time):
        inputs.append(experiment.x.copy())
        inputs[-1][:, s] = fresh[:, s]
    before, *after = experiment.module.outputs(inputs, experiment.theta)
    window = evidence.asked.window or case.time
    for s, output in enumerate(after):
        _expect_unseen(experiment, before, output, s, window)
        felt = np.abs(output - before).max(-1)[:, s : s + window]  # (B, positions from s on)
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


def _expect_unseen(
    experiment: Experiment, before: np.ndarray, output: np.ndarray, s: int, window: int
) -> None:
    """Fail if a position sees position s, which is not in its window."""
    felt = np.abs(output - before).max((0, 2))[s + window :]
    if felt.max(initial=0.0) > common.UNCHANGED * max(1.0, np.abs(before).max()):
        t = s + window + int(felt.argmax())
        raise Failure(
            f"position {t} sees position {s}, which is {t - s} before it; a position sees "
            f"{window} positions, itself among them",
            experiment.counterexample(
                "changed = x.clone()",
                f"changed[:, {s}] = fresh[:, {s}]",
                f"print((model(changed) - model(x))[:, {t}])",
                expected="zeros",
                found=(output - before)[:, t],
            ),
        )
