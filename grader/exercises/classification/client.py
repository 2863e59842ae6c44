"""A classifier in a worker, over a model that was built before: what the checks ask of the two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from grader.sandbox.client.decoding import decoding
from grader.sandbox.client.exchange import RemoteRef, arrays
from grader.sandbox.client.faults import CandidateError
from grader.sandbox.client.function import Returned, call
from grader.sandbox.client.module import Floats, Module
from grader.sandbox.client.subject import LoadedSubmission
from grader.sandbox.client.worker import Values

Pair = tuple[Values, Values]  # idx (B, T) and lengths (B,)


def put(module: Module, theta: Floats) -> None:
    """Give the trained parameters of a model these values, laid end to end."""
    module.help("classification.put", theta)


def read(module: Module) -> tuple[list[Values], list[bool]]:
    """The values of a model's parameters as they are now, and whether each is trained.

    They are the parameters that it had when it was built, whatever has become of the model since.
    Whether they are trained is the worker's testimony.
    """
    told = module.help("classification.read")
    shapes = [parameter.shape for parameter in module.parameters]
    with decoding(module.broken, "the values of parameters"):
        values, trained = arrays(told[0], len(shapes)), list(told[1])
        if [value.shape for value in values] != shapes or len(trained) != len(shapes):
            raise ValueError("not a value for each")
    if not all(np.isfinite(value).all() for value in values):
        raise CandidateError("fail", "a parameter has NaN or infinite values")
    return values, [flag is True for flag in trained]


def freeze(module: Module, count: int) -> None:
    """Let the first `count` parameters of a model be trained no more."""
    module.help("classification.freeze", count)


class Classifier:
    """A classifier of the submission. module: all its parameters, as of any model."""

    def __init__(self, subject: LoadedSubmission, module: Module, num_classes: int) -> None:
        self.module = module
        self.num_classes = num_classes
        self._subject = subject
        self._widen = False  # once its class logits were narrower than its weights
        self.overwrites = False  # once it has changed what it was given

    def logits(
        self,
        pairs: Sequence[Pair],
        *,
        train: bool = False,
        seeds: Sequence[int] = (),
        strict: bool = False,
    ) -> list[Floats]:
        """Class logits (B, num_classes) for each pair, checked to be such.

        seeds: one for each pair. Raises CandidateError; strict: also for pairs that were changed,
        and for logits of another dtype than the weights', which are worked round otherwise.
        """
        given = [array for pair in pairs for array in pair]
        seeds = list(seeds) or [0] * len(pairs)
        outputs, after = self._classify((), given, train, seeds, False, len(pairs))
        for before, now in zip(given, after, strict=True):
            if not np.array_equal(before, now):
                self.overwrites = True
                if strict:
                    message = "the forward changed its input"
                    raise CandidateError("fail", message, cause="mutates-input")
        if not strict and self._narrow(outputs):
            return self.logits(pairs, train=train, seeds=seeds)
        for output, (idx, _) in zip(outputs, pairs, strict=True):
            self._expect(output, len(idx))
        return outputs

    def at_points(
        self, thetas: Sequence[Floats], pair: Pair, *, same: bool = False
    ) -> list[Floats]:
        """Class logits in eval mode for one pair, with one set of parameters after another.

        same: every call gets the very same tensors.
        """
        outputs, _ = self._classify(thetas, pair, False, [0], same, len(thetas))
        if self._narrow(outputs):
            return self.at_points(thetas, pair, same=same)
        for output in outputs:
            self._expect(output, len(pair[0]))
        return outputs

    def _classify(
        self,
        thetas: Sequence[Floats],
        given: Sequence[Values],
        train: bool,
        seeds: list[int],
        same: bool,
        count: int,
    ) -> tuple[list[Values], list[Values]]:
        """So many outputs, and what was given as it is afterwards."""
        told = self.module.help(
            "classification.classify", list(thetas), list(given), train, seeds, same, self._widen
        )
        with decoding(self.module.broken, "not one output for each input"):
            outputs, after = told
            return arrays(outputs, count), arrays(after, len(given))

    def gradient(
        self, pair: Pair, weights: Floats, *, train: bool = False, seed: int = 0
    ) -> tuple[Floats, list[Floats | None]]:
        """Class logits, and autograd's gradient of sum(logits * weights) for each parameter."""
        told = self.module.help("classification.gradient", *pair, weights, train, seed, self._widen)
        with decoding(self.module.broken, "the list of gradients"):
            (output,), gradients = arrays([told[0]]), list(told[1])
            for gradient, parameter in zip(gradients, self.module.parameters, strict=True):
                if gradient is not None and gradient.shape != parameter.shape:
                    raise ValueError("another shape")
        if self._narrow([output]):
            return self.gradient(pair, weights, train=train, seed=seed)
        self._expect(output, len(pair[0]))
        for gradient in gradients:
            if gradient is not None and not np.isfinite(gradient).all():
                raise CandidateError("fail", "a gradient has NaN or infinite values")
        return output, gradients

    def optimizer(
        self, kind: str, learning_rate: float, stale: float = 0.0, weight_decay: float = 0.0
    ) -> RemoteRef:
        """An "SGD" or "AdamW" of all parameters; the classifier is in train mode from then on.

        stale: a gradient that all have from before.
        """
        held = self._subject.held(self._subject.new_place())
        made = kind, learning_rate, stale, weight_decay
        return self.module.keep(held, "classification.optimizer", *made)

    def step(
        self,
        optimizer: RemoteRef,
        pair: Pair,
        labels: Values,
        *,
        seed: int = 0,
        watch: bool = False,
        **more: Any,
    ) -> Returned:
        """One call of finetune_step. seed, watch: as of `call`; more: what it takes besides."""
        given = {"idx": pair[0], "lengths": pair[1], "labels": labels, **more}
        args = [self.module.itself, optimizer]
        dtype = self.module.dtype.name
        name = "finetune_step"
        return call(self._subject, name, given, seed, args=args, dtype=dtype, watch=watch)

    def _narrow(self, outputs: Sequence[Values]) -> bool:
        """Whether to ask once more, in a way that keeps class logits as wide as the weights."""
        if self._widen or self.module.dtype != np.float64:
            return False
        self._widen = any(output.dtype in (np.float32, np.float16) for output in outputs)
        return self._widen

    def _expect(self, output: Values, batch: int) -> None:
        """Raise CandidateError unless these are class logits for so many sequences."""
        expected = (batch, self.num_classes)
        if output.shape != expected:
            raise CandidateError(
                "fail",
                f"expected class logits of shape (B, num_classes) = {expected}, found "
                f"{output.shape}",
                cause=_shape_cause(output.shape, expected),
            )
        if output.dtype != self.module.dtype:
            raise CandidateError(
                "fail",
                f"expected class logits of dtype {self.module.dtype}, found {output.dtype}",
                cause="wrong-dtype",
            )
        if not np.isfinite(output).all():
            raise CandidateError("fail", "the class logits have NaN or infinite values")


def _shape_cause(shape: tuple[int, ...], expected: tuple[int, int]) -> str:
    """The slug that class logits of a wrong shape point to."""
    if len(shape) == 3 and shape[0] == expected[0]:
        return "class-logits-at-every-position"
    if len(shape) == 2 and shape[0] == expected[0]:
        return "num-classes-ignored"
    return "class-logits-wrong-shape"
