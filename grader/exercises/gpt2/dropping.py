"""Gradients and modes where dropout acts, with one seed for all that is compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from grader.check import Failure
from grader.exercises.gpt2 import common
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import Experiment
from grader.gpt2.layouts.box import CLOSE
from grader.sandbox.client import CandidateError
from grader.sandbox.client.ways import Used, Way, use
from grader.sandbox.client.worker import Values

_OFTEN = 0.5  # dropout_p where it acts
_STEPS = (1e-6, 1e-3)  # of differences: a kink spoils the larger, rounding in float32 the smaller
_OFF = 2e-2  # of the gradient's length
_FELT = 1e-6  # a gradient that is there, and not rounding


def check_dropping(
    evidence: Evidence, plain: Experiment, weights: Values, rng: np.random.Generator
) -> None:
    """Fail unless dropout acts in train mode alone, and the gradients are those of what it does.

    plain: the case without dropout; weights: of the output's values in a loss.
    """
    noisy = evidence.experiment(plain.module.name, plain.case, dropout_p=_OFTEN)
    if noisy.theta.size == plain.theta.size:
        _Dropping(noisy, weights, rng).check()


class _Dropping:
    """What a model with dropout gives in several modes."""

    def __init__(self, experiment: Experiment, weights: Values, rng: np.random.Generator) -> None:
        self.experiment = experiment
        self.weights = weights
        module, theta, x = experiment.module, experiment.theta, experiment.x
        self.seed, other = (int(seed) for seed in rng.choice(10_000, 2, replace=False))
        self.along = np.where(module.trainable, rng.normal(0.0, 1.0, theta.shape), 0.0)
        tokens = x.dtype == np.int64
        self.beside: Any = np.zeros_like(x) if tokens else rng.normal(0.0, 1.0, x.shape)
        modes = [("on", self.seed), ("on", self.seed), ("off", self.seed), ("inference", self.seed)]
        modes += [("on", other), ("off", other), ("inference", other)]
        asked = [
            Way((x,), theta, train=False, recording="off"),
            Way((x,), theta, train=False, recording="on"),
            Way((x,), theta, "fresh", train=False, recording="inference"),
            *(Way((x,), theta, "fresh", True, mode, seed=seed) for mode, seed in modes),
            Way((x,), theta, train=True, recording="on", weights=weights, seed=self.seed),
            *(self._moved(sign * step) for step in _STEPS for sign in (1, -1)),
        ]
        answers = use(module, asked)
        self.still = answers[:3]
        self.noisy = answers[3:10]
        self.backward = answers[10]
        self.steps = answers[11:]

    def _moved(self, step: float) -> Way:
        x, theta = self.experiment.x, self.experiment.theta
        moved = x if x.dtype == np.int64 else x + step * self.beside
        return Way((moved,), theta + step * self.along, train=True, recording="on", seed=self.seed)

    def check(self) -> None:
        """Fail for what is wrong."""
        for used in (*self.still, *self.noisy, *self.steps):
            if isinstance(used, CandidateError):
                raise used
        outputs = [used.output for used in self.still if isinstance(used, Used)]
        for output, words in zip(
            outputs[1:], ("gradients are recorded", "in inference mode"), strict=True
        ):
            if not common.same(outputs[0], output, CLOSE):
                self._fail(
                    f"with dropout_p={_OFTEN} in eval mode the output is different when {words}",
                    "dropout-always-on",
                    "with torch.no_grad():",
                    "    y = model(x)",
                    "with torch.enable_grad():",
                    "    print((model(x) - y).abs().max().item())",
                )
        self._check_backward()
        self._check_modes()

    def _check_modes(self) -> None:
        """In train mode dropout acts whether gradients are recorded or not."""
        on, _, *rest = (used.output for used in self.noisy if isinstance(used, Used))
        if common.same(on, rest[2], CLOSE):
            return  # nothing is dropped here, which is what other checks are about
        for one, other, words in (
            (rest[0], rest[3], "torch.no_grad()"),
            (rest[1], rest[4], "torch.inference_mode()"),
        ):
            # The same numbers for the same seed, or at least other ones for other seeds.
            if not common.same(on, one, CLOSE) and common.same(one, other, CLOSE):
                self._fail(
                    f"in train mode with dropout_p={_OFTEN} nothing is dropped under {words}",
                    "depends-on-grad-mode",
                    "model.train()",
                    f"with {words}:",
                    "    print((model(x) - model(x)).abs().max().item())",
                )

    def _check_backward(self) -> None:
        """Autograd's gradient is that of the output with the same values dropped."""
        if isinstance(self.backward, CandidateError):
            if self.backward.status != "error":
                raise self.backward
            self._fail(
                f"in train mode with dropout_p={_OFTEN} backward() fails: {self.backward.message}",
                "crashes",
                "model.train()",
                "model(x).sum().backward()",
                "print('no error')",
            )
            return
        first, again = (used.output for used in self.noisy[:2] if isinstance(used, Used))
        if not common.same(first, again, CLOSE):
            return  # its chance is not torch's: then nothing can be compared
        told = float(self.backward.gradient @ self.along)
        told += (
            float(self.backward.slopes @ self.beside.ravel()) if self.backward.slopes.size else 0.0
        )
        size = float(np.sqrt((self.backward.gradient**2).sum() + (self.backward.slopes**2).sum()))
        sums = [
            float((used.output * self.weights).sum())
            for used in self.steps
            if isinstance(used, Used)
        ]
        measured = [
            (ahead - behind) / (2 * step)
            for step, ahead, behind in zip(_STEPS, sums[::2], sums[1::2], strict=True)
        ]
        off = [abs(slope - told) for slope in measured]
        if min(off) <= _OFF * max(size, abs(measured[-1])) or max(map(abs, measured)) < _FELT:
            return
        self._fail(
            f"in train mode with dropout_p={_OFTEN} the gradient is not that of the output: along "
            f"a random direction this changes by {measured[-1]:.4g} with the same values dropped, "
            f"autograd says {told:.4g}",
            "gradient-wrong" if size > _FELT else "no-grad-in-forward",
            "model.train()",
            "torch.manual_seed(1)",
            "model(x).sum().backward()",
            "p = next(p for p in model.parameters() if p.requires_grad and p.ndim > 1)",
            "told, step = p.grad.clone(), 1e-6 * torch.randn_like(p)",
            "def moved(sign):",
            "    with torch.no_grad():",
            "        p.add_(sign * step)",
            "        torch.manual_seed(1)",
            "        y = model(x).sum()",
            "        p.sub_(sign * step)",
            "    return y",
            "print(((moved(1) - moved(-1)) / 2 - (told * step).sum()).item() / 1e-6)",
        )

    def _fail(self, message: str, cause: str, *lines: str) -> None:
        arguments = ", ".join(f"{key}={value}" for key, value in self.experiment.case.size.items())
        name = self.experiment.module.name
        raise Failure(
            message,
            self.experiment.counterexample(
                "state = model.state_dict()",
                f"model = {name}({arguments}, dropout_p={_OFTEN}).eval()",
                "model.load_state_dict(state)",
                *lines,
                expected="0, or no error",
                found="something else",
            ),
            cause,
        )
