"""The submission's models as the questions see them: values in a fixed order, and a forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from grader import wire
from grader.worker import computed, tensors


class Model:
    """A module of the submission, its parameters in the order in which the parent knows them.

    named: (name, trained) of each; values: what they are, to be written to.
    """

    def __init__(self, module: nn.Module, default_dtype: torch.dtype) -> None:
        self.module = module
        self.default_dtype = default_dtype
        self.parameters = list(module.parameters())
        self.named = [(name, p.requires_grad) for name, p in module.named_parameters()]
        self.values = [parameter.detach() for parameter in self.parameters]

    def set(self, arrays: tuple[wire.Array, ...], theta: bool) -> tuple[wire.Array, ...]:
        """Put the first array's values into what is trained; the arrays after it."""
        if not theta:
            return arrays
        sizes = [values.numel() for values in self.values]
        parts = torch.split(tensors.decode(arrays[0]), sizes)
        for (_, trained), values, new in zip(self.named, self.values, parts, strict=True):
            if trained:
                values.copy_(new.reshape(values.shape))
        return arrays[1:]

    def use(self, path: str, train: bool) -> Callable[[torch.Tensor], Any]:
        """The module at `path`, with the model in the mode asked for."""
        torch.set_default_dtype(self.default_dtype)
        self.module.train(train)
        return self.module.get_submodule(path)

    def element(self, index: int) -> torch.Tensor:
        """A view of one element of the parameters laid end to end."""
        for values in self.values:
            if index >= values.numel():
                index -= values.numel()
                continue
            position = []
            for size in reversed(values.shape):
                index, place = divmod(index, size)
                position.append(place)
            return values[tuple(reversed(position))]
        raise IndexError(index)


class WeighedModel(Model):
    """The same module with the weights that it computes from its parameters in their place."""

    def __init__(self, plain: Model, x: torch.Tensor) -> None:
        self.plain = plain
        self.module = plain.module
        self.default_dtype = plain.default_dtype
        self.example = x
        found = computed.weigh(plain.module, x)
        self.parameters = []
        self.named = [(weight.name, weight.trainable) for weight in found]
        self.values = [weight.values for weight in found]

    def use(self, path: str, train: bool) -> Callable[[torch.Tensor], Any]:
        """The module at `path`, computing with the weights as they were set."""
        inner = super().use(path, train)
        values = {name: value for (name, _), value in zip(self.named, self.values, strict=True)}

        def forward(x: torch.Tensor) -> Any:
            with computed.replaced(self.module, values) as weighing:
                return inner(weighing.follow(x))

        return forward

    def weights(self, theta: wire.Array) -> list[torch.Tensor]:
        """What the weights are for these parameters, in the order of `named`."""
        self.plain.set((theta,), True)
        found = {weight.name: weight.values for weight in computed.weigh(self.module, self.example)}
        return [found[name] for name, _ in self.named]
