"""The submission's models as the questions see them: values in a fixed order, and a forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from grader.sandbox.worker import computed


class Model:
    """A module of the submission, its parameters in the order in which the parent knows them.

    named: (name, trained) of each; values: what they are, to be written to; as_told: around
    whatever runs the submission's code, see `pretend`; again: makes another one, as
    this was made.
    """

    def __init__(
        self,
        module: nn.Module,
        default_dtype: torch.dtype,
        as_told: Callable[[], AbstractContextManager[None]] = nullcontext,
        again: Callable[[], nn.Module] | None = None,
    ) -> None:
        self.module = module
        self.default_dtype = default_dtype
        self.as_told = as_told
        self.again = again or (lambda: module)
        self.parameters = list(module.parameters())
        self.named = [(name, p.requires_grad) for name, p in module.named_parameters()]
        self.values = [parameter.detach() for parameter in self.parameters]
        self._fillers: list[tuple[bool, int, Callable[[np.ndarray], object]]] = []

    def set(self, theta: np.ndarray) -> None:
        """Put values, laid end to end, into what is trained."""
        if not self._fillers:  # worked out once: values stay where they are
            for (_, trained), values in zip(self.named, self.values, strict=True):
                self._fillers.append((trained, values.numel(), _filler(values)))
        end = 0
        for trained, size, fill in self._fillers:
            start, end = end, end + size
            if trained:
                fill(theta[start:end])

    @cached_property
    def born_at_random(self) -> frozenset[str]:
        """Names of buffers that are saved and are other numbers in each instance: weights that are
        kept as they were born, and learn by what is added to them.
        """
        if not any(map(_may_be_weights, self.module.buffers())):
            return frozenset()
        first, second = (_saved_buffers(self.again()) for _ in range(2))
        alike = (name for name in first if torch.equal(first[name], second[name]))
        return frozenset(first).difference(alike)

    def lend(self, other: nn.Module, path: str = "") -> None:
        """Give these to another instance of the module at `path`."""
        prefix = f"{path}." if path else ""
        names = [name for name in self.born_at_random if name.startswith(prefix)]
        own = dict(self.module.named_buffers()) if names else {}
        theirs = dict(other.named_buffers()) if names else {}
        for name in names:
            new = theirs.get(name.removeprefix(prefix))
            if new is not None and new.shape == own[name].shape:
                new.copy_(own[name])

    def use(self, path: str, train: bool) -> Callable[[torch.Tensor], Any]:
        """The module at `path`, with the model in the mode asked for."""
        torch.set_default_dtype(self.default_dtype)
        if not _is_in_mode(self.module, train):
            self.module.train(train)
        inside = self.module.get_submodule(path)
        if self.as_told is nullcontext:
            return inside

        def forward(*inputs: torch.Tensor) -> Any:
            with self.as_told():
                return inside(*inputs)

        return forward

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


def _is_in_mode(module: nn.Module, train: bool) -> bool:
    """Whether all modules in it are in train mode, or none; sooner than `modules()` lists them."""
    left: list[nn.Module | None] = [module]
    seen: set[int] = set()
    for one in left:
        if one is not None and id(one) not in seen:
            if one.training is not train:
                return False
            seen.add(id(one))
            left += one._modules.values()
    return True


def _may_be_weights(buffer: torch.Tensor) -> bool:
    return buffer.is_floating_point() and buffer.dim() > 1


def _saved_buffers(module: nn.Module) -> dict[str, torch.Tensor]:
    saved = module.state_dict()
    return {n: b for n, b in module.named_buffers() if n in saved and _may_be_weights(b)}


def _filler(values: torch.Tensor) -> Callable[[np.ndarray], object]:
    """What writes numbers laid end to end to a tensor: NumPy, where it can, which is quicker."""
    try:
        array = values.numpy()
    except (TypeError, RuntimeError):  # a dtype or device that NumPy has not
        return lambda new: values.copy_(torch.from_numpy(new.reshape(values.shape)))
    shape = array.shape

    def fill(new: np.ndarray) -> None:
        array[...] = new.reshape(shape)

    return fill


class WeighedModel(Model):
    """The same module with the weights that it computes from its parameters in their place."""

    def __init__(
        self, plain: Model, x: torch.Tensor, kinds: Sequence[computed.Kind] = (computed.Weighing,)
    ) -> None:
        """kinds: ways of following it, of which the first that is even is taken, or the last."""
        self.plain = plain
        self.module = plain.module
        self.default_dtype = plain.default_dtype
        self.as_told = plain.as_told
        self.again = plain.again
        self.example = x
        with self.as_told():
            for self.kind in kinds:
                found, weighing = computed.weigh(plain.module, x, self.kind)
                if not weighing.is_uneven():
                    break
        self.parameters = []
        self.named = [(weight.name, weight.trainable) for weight in found]
        self.values = [weight.values for weight in found]
        self._fillers = []

    def use(self, path: str, train: bool) -> Callable[[torch.Tensor], Any]:
        """The module at `path`, computing with the weights as they were set."""
        inner = super().use(path, train)
        values = {name: value for (name, _), value in zip(self.named, self.values, strict=True)}

        def forward(x: torch.Tensor) -> Any:
            with computed.replaced(self.module, values, self.kind) as weighing:
                y = inner(weighing.follow(x))
            return weighing.settled(y, fold=x.is_floating_point())

        return forward

    def weights(self, theta: np.ndarray) -> list[torch.Tensor]:
        """What the weights are for these parameters, in the order of `named`."""
        self.plain.set(theta)
        with self.as_told():
            weights, _ = computed.weigh(self.module, self.example, self.kind)
        found = {weight.name: weight.values for weight in weights}
        return [found[name] for name, _ in self.named]
