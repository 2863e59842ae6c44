"""A classifier in a worker, over a model that was built before: what the checks ask of the two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from grader.sandbox.client.exchange import RemoteRef
from grader.sandbox.client.faults import CandidateError
from grader.sandbox.client.function import Returned, call
from grader.sandbox.client.module import Floats, Module
from grader.sandbox.client.subject import LoadedSubmission
from grader.sandbox.client.worker import Values

Pair = tuple[Values, Values]  # idx (B, T) and lengths (B,)


def put(module: Module, theta: Floats) -> None:
    """Give the trained parameters of a model these values, laid end to end."""
    module.ask("put", [theta])


def read(module: Module) -> tuple[list[Values], list[bool]]:
    """The values of a model's parameters as they are now, and whether each is trained.

    They are the parameters that it had when it was built, whatever has become of the model since.
    Whether they are trained is the worker's testimony.
    """
    header, values = module.ask("read")
    trained = header.get("trained")
    shapes = [parameter.shape for parameter in module.parameters]
    if [value.shape for value in values] != shapes:
        raise module.broken("the values of parameters")
    if not isinstance(trained, list) or len(trained) != len(shapes):
        raise module.broken("which parameters are trained")
    if not all(np.isfinite(value).all() for value in values):
        raise CandidateError("fail", "a parameter has NaN or infinite values")
    return values, [flag is True for flag in trained]


def freeze(module: Module, count: int) -> None:
    """Let the first `count` parameters of a model be trained no more."""
    module.ask("freeze", count=count)


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
        arrays = [array for pair in pairs for array in pair]
        seeds = list(seeds) or [0] * len(pairs)
        _, values = self.module.ask(
            "classify", arrays, train=train, seeds=seeds, rows=0, same=False, widen=self._widen
        )
        if len(values) != len(pairs) + len(arrays):
            raise self.module.broken("not one output for each input")
        outputs, after = values[: len(pairs)], values[len(pairs) :]
        for before, now in zip(arrays, after, strict=True):
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
        arrays = [*thetas, *pair]
        _, values = self.module.ask(
            "classify",
            arrays,
            train=False,
            seeds=[0],
            rows=len(thetas),
            same=same,
            widen=self._widen,
        )
        if len(values) != len(thetas) + 2:
            raise self.module.broken("not one output for each set of parameters")
        if self._narrow(values[: len(thetas)]):
            return self.at_points(thetas, pair, same=same)
        for output in values[: len(thetas)]:
            self._expect(output, len(pair[0]))
        return values[: len(thetas)]

    def gradient(
        self, pair: Pair, weights: Floats, *, train: bool = False, seed: int = 0
    ) -> tuple[Floats, list[Floats | None]]:
        """Class logits, and autograd's gradient of sum(logits * weights) for each parameter."""
        header, values = self.module.ask(
            "classify_gradient", [*pair, weights], train=train, seed=seed, widen=self._widen
        )
        present = header.get("present")
        if not isinstance(present, list) or len(present) != len(self.module.parameters):
            raise self.module.broken("the list of gradients")
        if sum(flag is True for flag in present) != len(values) - 1:
            raise self.module.broken("the number of gradients")
        if self._narrow(values[:1]):
            return self.gradient(pair, weights, train=train, seed=seed)
        self._expect(values[0], len(pair[0]))
        remaining = iter(values[1:])
        gradients = [next(remaining) if flag is True else None for flag in present]
        for gradient, parameter in zip(gradients, self.module.parameters, strict=True):
            if gradient is not None and gradient.shape != parameter.shape:
                raise self.module.broken("the shape of a gradient")
            if gradient is not None and not np.isfinite(gradient).all():
                raise CandidateError("fail", "a gradient has NaN or infinite values")
        return values[0], gradients

    def optimizer(
        self, kind: str, learning_rate: float, stale: float = 0.0, weight_decay: float = 0.0
    ) -> RemoteRef:
        """An "SGD" or "AdamW" of all parameters; the classifier is in train mode from then on.

        stale: a gradient that all have from before.
        """
        place = self._subject.new_place()
        self.module.ask(
            "optimizer",
            place=place,
            kind=kind,
            learning_rate=learning_rate,
            stale=stale,
            weight_decay=weight_decay,
        )
        return self._subject.held(place)

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
