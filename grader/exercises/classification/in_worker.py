"""Questions about a classifier in a worker: its weights, class logits, gradients and optimizer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from grader.sandbox import wire
from grader.sandbox.worker import tensors
from grader.sandbox.worker.models import Model
from grader.sandbox.worker.shared import Questions, Shared

_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": torch.optim.SGD,
    "AdamW": torch.optim.AdamW,
}


_NARROW = (torch.float32, torch.float16, torch.bfloat16)


class Widened(TorchFunctionMode):
    """Converts to float64 where the submission converts to a narrower float: for class logits that
    are converted on their way out, and of which all else is to be judged.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """What torch calls in place of `func`."""
        if func in (torch.Tensor.float, torch.Tensor.half, torch.Tensor.bfloat16):
            return args[0].double()
        return func(*map(_wide, args), **{key: _wide(v) for key, v in (kwargs or {}).items()})


def _wide(value: Any) -> Any:
    return torch.float64 if isinstance(value, torch.dtype) and value in _NARROW else value


class Classifying:
    """Answers about models that take token indices (B, T) and lengths (B,).

    models, objects: what lives in the worker, shared with the other questions.
    """

    def __init__(self, models: dict[int, Model], objects: dict[str, Any]) -> None:
        self.models = models
        self.objects = objects
        self.questions: dict[str, Callable[..., wire.Message]] = {
            "put": self.put,
            "read": self.read,
            "freeze": self.freeze,
            "classify": self.classify,
            "classify_gradient": self.gradient,
            "optimizer": self.optimizer,
        }

    def put(self, arrays: tuple[wire.Array, ...], model: int) -> wire.Message:
        """Give all that is trained the values of the array, which are laid end to end."""
        self.models[model].set(_numbers(arrays[0]))
        return wire.Message({})

    def read(self, arrays: tuple[wire.Array, ...], model: int) -> wire.Message:
        """The values of all parameters as they are, and whether each is trained."""
        target = self.models[model]
        trained = [parameter.requires_grad for parameter in target.parameters]
        return wire.Message({"trained": trained}, tuple(map(tensors.encode, target.values)))

    def freeze(self, arrays: tuple[wire.Array, ...], model: int, count: int) -> wire.Message:
        """Let the first `count` parameters be trained no more."""
        for parameter in self.models[model].parameters[:count]:
            parameter.requires_grad_(False)
        return wire.Message({})

    def classify(
        self,
        arrays: tuple[wire.Array, ...],
        model: int,
        train: bool,
        seeds: list[int],
        rows: int,
        same: bool,
        widen: bool,
    ) -> wire.Message:
        """Class logits for pairs of idx and lengths, and the pairs as they are afterwards.

        seeds: one for each pair; rows: how many arrays in front are values of all parameters, for
        each of which the only pair is asked, same: with the very same tensors; widen: see
        `Widened`.
        """
        target = self.models[model]
        module: Callable[..., Any] = target.use("", train)
        pairs = [tensors.decode(array) for array in arrays[rows:]]
        outputs = []
        with torch.set_grad_enabled(train), Widened() if widen else nullcontext():
            for theta, pair in itertools.product(arrays[:rows] or [None], range(0, len(pairs), 2)):
                if theta is not None:
                    target.set(_numbers(theta))
                    pairs = pairs if same else [tensors.decode(array) for array in arrays[rows:]]
                torch.default_generator.manual_seed(seeds[pair // 2])
                outputs.append(module(*pairs[pair : pair + 2]))
        problem = tensors.unsendable([*outputs, *pairs])
        if problem is not None:
            return wire.Message({"unsendable": problem})
        return wire.Message({}, tuple(map(tensors.encode, [*outputs, *pairs])))

    def gradient(
        self, arrays: tuple[wire.Array, ...], model: int, train: bool, seed: int, widen: bool
    ) -> wire.Message:
        """What autograd says of sum(class logits * weights), for idx, lengths and weights.

        Back come the class logits, and the gradient of each parameter that has one.
        """
        target = self.models[model]
        module: Callable[..., Any] = target.use("", train)
        idx, lengths, weights = map(tensors.decode, arrays)
        torch.default_generator.manual_seed(seed)
        for parameter in target.parameters:
            parameter.grad = None
        with Widened() if widen else nullcontext():
            output = module(idx, lengths)
        problem = tensors.unsendable([output])
        if problem is not None:
            return wire.Message({"unsendable": problem})
        # One of another shape goes back as it is, to be called by its name.
        if output.requires_grad and output.shape == weights.shape:
            (output * weights).sum().backward()
        gradients = [parameter.grad for parameter in target.parameters]
        for parameter in target.parameters:
            parameter.grad = None
        present = [gradient is not None for gradient in gradients]
        sent = [t for t in [output, *gradients] if t is not None]
        return wire.Message({"present": present}, tuple(map(tensors.encode, sent)))

    def optimizer(
        self,
        arrays: tuple[wire.Array, ...],
        model: int,
        place: str,
        kind: str,
        learning_rate: float,
        stale: float,
        weight_decay: float,
    ) -> wire.Message:
        """Hold an optimizer of all parameters at `place`, with the model in train mode.

        Like most, it has two groups: parameters of two axes or more, and the others.
        stale: where it is not 0, the gradient that all have from before.
        """
        target = self.models[model]
        target.use("", False)
        target.module.train()  # even if it has never been in another mode
        for parameter in target.parameters:
            parameter.grad = None
            if stale and parameter.requires_grad:
                parameter.grad = torch.full_like(parameter, stale)
        make = _OPTIMIZERS[kind]
        groups = [
            {"params": [p for p in target.parameters if p.ndim >= 2]},
            {"params": [p for p in target.parameters if p.ndim < 2]},
        ]
        self.objects[place] = make(groups, lr=learning_rate, weight_decay=weight_decay)
        return wire.Message({})


def _numbers(array: wire.Array) -> np.ndarray:
    """A wire array for what is written to parameters."""
    return tensors.decode(array).numpy()


def questions(shared: Shared) -> Questions:
    """What is asked of a worker for this exercise alone."""
    return Classifying(shared.models, shared.objects).questions
