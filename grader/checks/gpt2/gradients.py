"""Whether autograd's gradients are those of the function that is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from grader.checks.api import Failure
from grader.checks.evidence import Evidence
from grader.checks.experiment import Case, Experiment
from grader.checks.gpt2.common import SINGLE, same
from grader.oracle.layouts.box import CLOSE
from grader.remote import Module
from grader.remote.worker import Values

_STEP = 1e-3  # of the finite differences with which gradients are compared
_GRADIENT = 2e-2
_Recorded = tuple[Values, list["Values | None"]]  # an output and its gradients


def check_gradients(evidence: Evidence, name: str, case: Case) -> None:
    """Autograd's gradients of parameters and input are those of the function computed."""
    experiment = evidence.experiment(name, case)
    module, theta, x = experiment.module, experiment.theta, experiment.x
    output = module.call(x, theta)
    weights = experiment.rng.normal(0.0, 1.0, output.shape)
    recorded, gradients = module.gradient(x, theta, weights)
    slopes = _slopes(module, theta, x, weights, experiment.rng)
    scale = max(abs(slope) for _, slope, _ in slopes) if slopes else 1.0
    if all(gradient is None for gradient in gradients):
        raise Failure(
            "no gradient flows through the forward: the output is cut off from the parameters",
            experiment.counterexample(
                "print(model(x).requires_grad)", expected="True", found="False"
            ),
            "no-grad-in-forward",
        )
    if not same(output, recorded, CLOSE):
        raise Failure(
            "the output is another one when gradients are recorded",
            experiment.counterexample(
                "with torch.no_grad():",
                "    alone = model(x)",
                "print(model(x) - alone)",
                expected="zeros",
                found=recorded - output if recorded.shape == output.shape else "another shape",
            ),
        )
    for index, slope, direction in slopes:
        gradient = gradients[index]
        told = 0.0 if gradient is None else float((gradient * direction).sum())
        if abs(told - slope) <= _GRADIENT * max(scale, 1e-6):
            _note_unused(evidence, name, module, index, gradient, slope)
            continue
        what = "the input" if index == len(module.parameters) else module.parameters[index].name
        raise Failure(
            f"the gradient of {what} is wrong: along a random direction the output changes by "
            f"{slope:.4g}, autograd says {'nothing' if gradient is None else f'{told:.4g}'}",
            experiment.counterexample(
                "x.requires_grad_(x.is_floating_point())",
                "model(x).sum().backward()",
                "print({n: p.grad for n, p in model.named_parameters()})",
                expected=f"a gradient for {what}",
                found="none" if gradient is None else "another one",
            ),
            "detach-breaks-gradients",
        )
    in_training = module.gradient(x, theta, weights, train=True)
    _expect_alike(
        experiment,
        (recorded, gradients),
        in_training,
        "with dropout_p=0 the output is the same in train mode",
        ("model.train()",),
    )
    single = evidence.models.module(name, case.size, dtype="float32")
    if single.initial.size == theta.size:
        given = x if x.dtype == np.int64 else x.astype(np.float32)
        _expect_alike(
            experiment,
            (recorded, gradients),
            single.gradient(given, theta, weights.astype(np.float32)),
            "a float32 model gives the same output",
            ("model.float()", "x = x.float() if x.is_floating_point() else x"),
        )


def _expect_alike(
    experiment: Experiment, usual: _Recorded, other: _Recorded, where: str, lines: Sequence[str]
) -> None:
    """Fail if what gives the same output has other gradients. where, lines: what the other is."""
    if not same(usual[0], other[0], SINGLE):
        return  # that is what other checks are about
    names = [*(parameter.name for parameter in experiment.module.parameters), "the input"]
    for name, before, after in zip(names, usual[1], other[1], strict=True):
        either = before if after is None else after
        none = np.zeros_like(either) if either is not None else np.zeros(0)
        if same(none if before is None else before, none if after is None else after, _GRADIENT):
            continue
        raise Failure(
            f"{where}, but the gradient of {name} is "
            f"{'not there' if after is None else 'another one'}",
            experiment.counterexample(
                *lines,
                "x.requires_grad_(x.is_floating_point())",
                "model(x).sum().backward()",
                "print({n: p.grad for n, p in model.named_parameters()})",
                expected="the gradients of the float64 model in eval mode",
                found="none" if after is None else "others",
            ),
            "detach-breaks-gradients",
        )


def _slopes(
    module: Module, theta: Any, x: Any, weights: Any, rng: np.random.Generator
) -> list[tuple[int, float, Any]]:
    """(index of the gradient, measured slope, direction) for each parameter and the input."""
    directions = {
        index: rng.normal(0.0, 1.0, parameter.shape)
        for index, parameter in enumerate(module.parameters)
        if parameter.trainable
    }
    thetas = []
    for index, direction in directions.items():
        step = np.zeros_like(theta)
        step[module.parameters[index].indices] = _STEP * direction
        thetas += [theta + step, theta - step]
    outputs = module.at_points(x, np.array(thetas)) if thetas else []
    if x.dtype != np.int64:
        direction = rng.normal(0.0, 1.0, x.shape)
        directions[len(module.parameters)] = direction
        outputs += module.outputs([x + _STEP * direction, x - _STEP * direction], theta)
    return [
        (index, _slope(ahead, behind, weights), direction)
        for (index, direction), ahead, behind in zip(
            directions.items(), outputs[::2], outputs[1::2], strict=True
        )
    ]


def _slope(ahead: Any, behind: Any, weights: Any) -> float:
    return float(((ahead - behind) * weights).sum() / (2 * _STEP))


def _note_unused(
    evidence: Evidence, name: str, module: Module, index: int, gradient: Any, slope: float
) -> None:
    if gradient is None and abs(slope) < 1e-9 and index < len(module.parameters):
        evidence.advise(
            "unused-parameter",
            f"{name} has a parameter that its forward never uses: {module.parameters[index].name}",
        )
