"""Whether autograd's gradients are those of the function that is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grader.check import Failure
from grader.exercises.gpt2.common import same
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import Case, Experiment
from grader.gpt2.layouts.box import CLOSE
from grader.gpt2.precision import SINGLE
from grader.sandbox.client.worker import Values

_STEP = 1e-3  # of the finite differences with which gradients are compared
_FINE = 1e-4  # of the same once more, on each side, where these do not agree with autograd
_GRADIENT = 2e-2
_BESIDE = 2e-3  # of the largest slope
_NAMED = 4  # unused parameters that are told by their names
_Recorded = tuple[Values, list["Values | None"]]  # an output and its gradients


def check_gradients(evidence: Evidence, name: str, case: Case) -> None:
    """Autograd's gradients of parameters and input are those of the function computed."""
    experiment = evidence.experiment(name, case)
    if name == "GPT2":
        experiment.take_every_token()
    module, theta, x = experiment.module, experiment.theta, experiment.x
    output = module.call(x, theta)
    weights = experiment.rng.normal(0.0, 1.0, output.shape)
    recorded, gradients = module.gradient(x, theta, weights)
    slopes = _slopes(experiment, output, weights)
    scale = max((abs(slope.measured) for slope in slopes), default=1.0)
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
            "the output is different when gradients are recorded",
            experiment.counterexample(
                "with torch.no_grad():",
                "    alone = model(x)",
                "print(model(x) - alone)",
                expected="zeros",
                found=recorded - output if recorded.shape == output.shape else "another shape",
            ),
        )
    unused: list[str] = []
    for slope in slopes:
        gradient = gradients[slope.index]
        told = 0.0 if gradient is None else float((gradient * slope.direction).sum())
        allowed = max(_GRADIENT * abs(slope.measured), _BESIDE * scale, 1e-8)
        if abs(told - slope.measured) <= allowed or _is_of_a_side(
            experiment, slope, weights, told, allowed
        ):
            if abs(slope.measured) < 1e-9 and (gradient is None or not gradient.any()):
                unused.append(slope.what)
            continue
        says = "nothing" if gradient is None else f"{told:.4g}"
        raise Failure(
            f"the gradient of {slope.what} is wrong: along a random direction the output changes "
            f"by {slope.measured:.4g}, autograd says {says}",
            experiment.counterexample(
                "x.requires_grad_(x.is_floating_point())",
                "model(x).sum().backward()",
                "print({n: p.grad for n, p in model.named_parameters()})",
                expected=f"a gradient for {slope.what}",
                found="none" if gradient is None else "another one",
            ),
            "detach-breaks-gradients",
        )
    _note_unused(evidence, name, [p.name for p in module.parameters if p.name in unused])
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


@dataclass(frozen=True)
class _Slope:
    """How fast the output changes along a direction.

    index: of the gradient, that of the input being the last. what: it is about, in words.
    """

    index: int
    what: str
    direction: Any
    measured: float


def _slopes(experiment: Experiment, output: Values, weights: Any) -> list[_Slope]:
    """One for each parameter that is trained, one for each row of tables, one for the input.

    output: where they are measured. Of rows, which are many, the slope on one side has to do.
    """
    module, theta, x = experiment.module, experiment.theta, experiment.x
    directions = list(_directions(experiment))
    thetas = []
    for index, what, direction in directions:
        step = np.zeros_like(theta)
        step[module.parameters[index].indices] = _STEP * direction
        thetas += [theta + step, *([] if _is_row(what) else [theta - step])]
    outputs = module.at_points(x, np.array(thetas)) if thetas else []
    if x.dtype != np.int64:
        direction = experiment.rng.normal(0.0, 1.0, x.shape)
        directions.append((len(module.parameters), "the input", direction))
        outputs += module.outputs([x + _STEP * direction, x - _STEP * direction], theta)
    left = iter(outputs)
    slopes = []
    for index, what, direction in directions:
        ahead = next(left)
        far, behind = (1, output) if _is_row(what) else (2, next(left))
        measured = float(((ahead - behind) * weights).sum() / (far * _STEP))
        slopes.append(_Slope(index, what, direction, measured))
    return slopes


def _is_row(what: str) -> bool:
    return what.endswith("]")


def _directions(experiment: Experiment) -> Iterator[tuple[int, str, Any]]:
    """Random ones among the parameters, each with its number and its name."""
    size = experiment.case.size
    tables = {size["vocab_size"], size["block_size"]} if "vocab_size" in size else set()
    for index, parameter in enumerate(experiment.module.parameters):
        if not parameter.trainable:
            continue
        direction = experiment.rng.normal(0.0, 1.0, parameter.shape)
        yield index, parameter.name, direction
        # A row that learns nothing, as by padding_idx, is little of all of them.
        for row in range(parameter.shape[0] if set(parameter.shape[:1]) & tables else 0):
            alone = np.zeros_like(direction)
            alone[row] = direction[row]
            yield index, f"{parameter.name}[{row}]", alone


def _is_of_a_side(
    experiment: Experiment, slope: _Slope, weights: Any, told: float, allowed: float
) -> bool:
    """Whether this is the slope on one side, as at the kink of a ReLU, or closer by."""
    module, theta, x = experiment.module, experiment.theta, experiment.x
    if slope.index == len(module.parameters):
        step = _FINE * slope.direction
        ahead, here, behind = module.outputs([x + step, x, x - step], theta)
    else:
        step = np.zeros_like(theta)
        step[module.parameters[slope.index].indices] = _FINE * slope.direction
        ahead, here, behind = module.at_points(x, np.array([theta + step, theta, theta - step]))
    sides = [
        float(((one - other) * weights).sum()) / _FINE
        for one, other in ((ahead, here), (here, behind))
    ]
    return any(abs(told - side) <= allowed for side in (*sides, sum(sides) / 2))


def _note_unused(evidence: Evidence, name: str, unused: Sequence[str]) -> None:
    """Name what is registered and never used, for each class what those inside it have not."""
    told = evidence.measured.setdefault("unused parameters", [])
    new = [each for each in unused if not each.endswith(tuple(f".{other}" for other in told))]
    if new:
        told += new
        more = f" and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
        before = evidence.advisories.get("unused-parameter", "")
        evidence.advisories["unused-parameter"] = (
            f"{before} {name} has parameters that its forward never uses: "
            f"{', '.join(new[:_NAMED])}{more}."
        ).strip()
