"""A class can be trained: from the weights that it is born with, with dropout, for many steps."""

from __future__ import annotations

import numpy as np

from grader.check import Failure
from grader.exercises.gpt2 import common, dropping, known
from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import UNIT, Case, Experiment
from grader.gpt2.layouts.box import CLOSE, difference
from grader.gpt2.models import CLASSES
from grader.gpt2.specification import GPT2
from grader.sandbox.client import CandidateError
from grader.sandbox.client.description import Parameter
from grader.sandbox.client.module import Floats
from grader.sandbox.client.ways import Learnt, Way, count, learn, use
from grader.sandbox.client.worker import Values

# A constant is longer than what small sizes make, and short enough for its square to be tried.
_LONG, _LONGEST = 256, 4096
_STEPS = 4  # steps from birth: what a layer of zeros holds up learns from the second on
_FELT = 1e-6  # a gradient that is there, and not rounding


class Lesson:
    """A class as born and after some steps of training."""

    def __init__(self, evidence: Evidence, name: str) -> None:
        rng = np.random.default_rng((evidence.seed, 7, CLASSES.index(name)))
        size = sizes.BY_CLASS[name][0]
        case = Case(size, 3, int(rng.integers(3, 6)), UNIT, int(rng.integers(10_000)))
        self.evidence, self.rng = evidence, rng
        self.experiment = evidence.experiment(name, case)
        x = self.experiment.x
        width = size.get("vocab_size", size["embed_dim"])
        self.weights: Values = rng.normal(0.0, 1.0, (*x.shape[:2], width))
        steps = [_like(self.experiment, rng) for _ in range(_STEPS)]
        seed = int(rng.integers(10_000))
        self.learnt = learn(self.experiment.module, x, self.weights, steps, seed)

    def check_registered(self) -> None:
        """All that is learnt is among the parameters, from the start."""
        _expect_registered(self.experiment, self.learnt)

    def check(self) -> None:
        """Fail unless it learns as born, and has right gradients where dropout acts."""
        if self.learnt.born.shape == self.experiment.theta.shape:
            _check_exact(self.evidence, self)
            _expect_alive(self.experiment, self.learnt, self.weights)
        _check_sums(self.experiment, self.weights)
        self._check_constants()
        dropping.check_dropping(self.evidence, self.experiment, self.weights, self.rng)

    def _check_width(self) -> None:
        """Beyond the 6,400 hidden units of the largest GPT-2 there are as many weights as small
        sizes promise.
        """
        wide = 4 * int(self.rng.integers(401, 450))
        *small, at_wide = count(self.experiment.module, (4, 8, 12, 16, wide))
        first, second, third, fourth = small
        bend = third - 2 * second + first
        if fourth != 3 * third - 3 * second + first or not bend:
            return  # it is no polynomial of degree two
        n = wide // 4 - 1
        expected = first + n * (second - first) + n * (n - 1) // 2 * bend
        if at_wide != expected:
            raise Failure(
                f"with embed_dim={wide} it has {at_wide} weights; as they grow at small sizes, "
                f"{expected} are expected: its width is bounded",
                cause="width-const",
            )

    def _check_constants(self) -> None:
        """A tensor that is far longer than any size has a constant of its own: go beyond it."""
        name, size = self.experiment.module.name, self.experiment.case.size
        longest = self.learnt.longest
        if name == "MLP":
            self._check_width()
        if not _LONG < longest <= _LONGEST or name in ("MLP", "TransformerBlock"):
            return
        beyond = {**size, "embed_dim": 2, "num_heads": 1, "block_size": longest + 1}
        shape = (1, longest + 1)
        x = np.zeros(shape, np.int64) if name == "GPT2" else np.zeros((*shape, 2))
        try:
            self.evidence.models.module(name, beyond).call(x)
        except CandidateError as fault:
            if fault.status != "error":
                raise
            raise Failure(
                f"fails with T = block_size = {longest + 1}: {fault.message}",
                cause="position-table-too-small" if name == "GPT2" else "block-size-mask-fixed",
            ) from None


def _check_exact(evidence: Evidence, lesson: Lesson) -> None:
    """It is GPT-2 as born and after some steps, and for inputs that are not like drawn ones."""
    experiment, found = lesson.experiment, lesson.learnt
    module, theta, x = experiment.module, experiment.theta, experiment.x
    holes, same = x.copy(), np.repeat(x[:, :1], x.shape[1], axis=1)
    holes[:, int(lesson.rng.integers(x.shape[1]))] = 0
    inputs = [(holes, "with zeros in it"), (np.zeros_like(x), "of zeros"), (same, "that repeats")]
    plain, *outputs = module.outputs([x, *(values for values, _ in inputs)], theta)
    exact = known.oracle_of(evidence, experiment, plain)
    if exact is None:
        return  # which is what other checks are about
    cases = [
        (found.output, (found.born, x), "with the weights that it is born with"),
        (found.trained_output, (found.trained, x), f"after {_STEPS} steps of training"),
    ]
    for output, (values, words) in zip(outputs, inputs, strict=True):
        cases.append((output, (theta, values), f"for an input {words}"))
    what = "GPT-2's" if evidence.asked == GPT2 else "the brief's"
    for output, given, words in cases:
        off = difference(output, exact(*given))
        if not off <= CLOSE:
            raise Failure(
                f"{words} the output differs from {what} by {off:.2g} of its size; with random "
                f"weights and inputs it is {what}"
            )


def _like(experiment: Experiment, rng: np.random.Generator) -> Values:
    """One more input."""
    shape, tokens = experiment.x.shape, experiment.case.size.get("vocab_size")
    return rng.integers(0, tokens, shape) if tokens else rng.normal(0.0, 1.0, shape)


def _expect_registered(experiment: Experiment, found: Learnt) -> None:
    before, after = map(set, found.names)
    if before != after:
        late = ", ".join(sorted(after - before)[:3]) or "some"
        raise Failure(
            f"its parameters are not all there before its first call: {late} come with it, so an "
            "optimizer that is made before never sees them, and no saved weights can be loaded",
            experiment.counterexample(
                f"fresh = type(model)({_arguments(experiment)})",
                "before = len(list(fresh.parameters()))",
                "fresh(x)",
                "print(len(list(fresh.parameters())) - before)",
                expected="0",
                found=len(after) - len(before),
            ),
            "not-registered-until-called",
        )
    if found.outside:
        raise Failure(
            f"{found.outside} tensors that it learns are not among its parameters(): no optimizer "
            "ever changes them, and state_dict() leaves them out",
            experiment.counterexample(
                "print([name for name, _ in model.named_parameters()])",
                expected="all that is learnt",
                found=f"{found.outside} less",
            ),
            "not-registered",
        )


def _arguments(experiment: Experiment) -> str:
    return ", ".join(f"{key}={value}" for key, value in experiment.case.size.items())


def _expect_alive(experiment: Experiment, found: Learnt, weights: Values) -> None:
    """No parameter that matters has a gradient of zero from birth on, step after step."""
    module, theta, x = experiment.module, experiment.theta, experiment.x
    (used,) = use(module, [Way((x,), theta, train=True, recording="on", weights=weights)])
    if isinstance(used, CandidateError):
        raise used
    if not any(_is_layer_of_zeros(experiment, found, p) for p in module.parameters):
        return  # it may be the input, or weights that are all alike
    dead = [
        parameter.name
        for parameter, largest in zip(module.parameters, found.largest, strict=True)
        if parameter.trainable
        and not largest
        and np.abs(used.gradient[parameter.indices]).max(initial=0.0) > _FELT
    ]
    if dead:
        raise Failure(
            f"{', '.join(dead[:3])} can never learn: as born, the gradient is exactly zero in "
            f"each of {_STEPS} steps of training",
            experiment.counterexample(
                f"fresh = type(model)({_arguments(experiment)})",
                "fresh(x).sum().backward()",
                "print({n: p.grad.abs().max().item() for n, p in fresh.named_parameters()})",
                expected="a gradient, sooner or later, for each",
                found=f"zero for {', '.join(dead[:3])}, and again after each step",
            ),
            "dead-initialisation",
        )


def _is_layer_of_zeros(experiment: Experiment, found: Learnt, parameter: Parameter) -> bool:
    """Whether it is more than a bias, trained, and zero as born."""
    size = parameter.indices.size
    layer = len(parameter.shape) > 1 or size > 4 * experiment.case.size["embed_dim"]
    return parameter.trainable and layer and not found.born[parameter.indices].any()


def _check_sums(experiment: Experiment, weights: Values) -> None:
    """Gradients of two calls add up, as they do where they are accumulated."""
    theta, x = experiment.theta, experiment.x
    other = np.roll(x, 1, axis=0)
    first, second, both = (
        _gradient(experiment, Way(inputs, theta, train=True, recording="on", weights=weights))
        for inputs in ((x,), (other,), (x, other))
    )
    if not common.same(first + second, both, CLOSE):
        raise Failure(
            "the gradients of two calls, differentiated together, are not the sum of those of "
            "each alone",
            experiment.counterexample(
                "other = x.roll(1, 0)",
                "def gradient(loss):",
                "    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, [p for p in "
                "model.parameters() if p.requires_grad])])",
                "apart = gradient(model(x).sum()) + gradient(model(other).sum())",
                "print((gradient(model(x).sum() + model(other).sum()) - apart).abs().max().item())",
                expected="0",
                found="more than 0, or an error",
            ),
            "gradient-wrong",
        )


def _gradient(experiment: Experiment, way: Way) -> Floats:
    (used,) = use(experiment.module, [way])
    if isinstance(used, CandidateError):
        raise used
    return used.gradient
