"""Questions about a classifier in a worker: its weights, class logits, gradients and optimizer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from grader.sandbox.worker import tensors
from grader.sandbox.worker.models import Model

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


def put(model: Model, theta: torch.Tensor) -> None:
    """Give all that is trained these values, which are laid end to end."""
    model.set(theta.numpy())


def read(model: Model) -> tuple[list[torch.Tensor], list[bool]]:
    """The values of all parameters as they are, and whether each is trained."""
    trained = [parameter.requires_grad for parameter in model.parameters]
    return list(map(tensors.plain, model.values)), trained


def freeze(model: Model, count: int) -> None:
    """Let the first `count` parameters be trained no more."""
    for parameter in model.parameters[:count]:
        parameter.requires_grad_(False)


def classify(
    model: Model,
    thetas: list[torch.Tensor],
    arrays: list[torch.Tensor],
    train: bool,
    seeds: list[int],
    same: bool,
    widen: bool,
) -> tuple[list[Any], list[torch.Tensor]]:
    """Class logits for pairs of idx and lengths, and the pairs as they are afterwards.

    seeds: one for each pair; thetas: values of all parameters, for each of which the only pair is
    asked, same: with the very same tensors; widen: see `Widened`.
    """
    module: Callable[..., Any] = model.use("", train)
    given = [array.clone() for array in arrays]
    outputs = []
    points: list[torch.Tensor | None] = [*thetas] or [None]
    with torch.set_grad_enabled(train), Widened() if widen else nullcontext():
        for theta, pair in itertools.product(points, range(0, len(given), 2)):
            if theta is not None:
                model.set(theta.numpy())
                given = given if same else [array.clone() for array in arrays]
            torch.default_generator.manual_seed(seeds[pair // 2])
            outputs.append(module(*given[pair : pair + 2]))
    tensors.expect_plain([*outputs, *given])
    return outputs, given


def gradient(
    model: Model,
    idx: torch.Tensor,
    lengths: torch.Tensor,
    weights: torch.Tensor,
    train: bool,
    seed: int,
    widen: bool,
) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
    """Class logits, and what autograd says of sum(class logits * weights): the gradient of each
    parameter that has one.
    """
    module: Callable[..., Any] = model.use("", train)
    torch.default_generator.manual_seed(seed)
    for parameter in model.parameters:
        parameter.grad = None
    with Widened() if widen else nullcontext():
        output = module(idx, lengths)
    tensors.expect_plain([output])
    # One of another shape goes back as it is, to be called by its name.
    if output.requires_grad and output.shape == weights.shape:
        (output * weights).sum().backward()
    gradients = [parameter.grad for parameter in model.parameters]
    for parameter in model.parameters:
        parameter.grad = None
    return output, [None if found is None else tensors.plain(found) for found in gradients]


def optimizer(
    model: Model, kind: str, learning_rate: float, stale: float, weight_decay: float
) -> torch.optim.Optimizer:
    """An optimizer of all parameters, the model being in train mode from then on.

    Like most, it has two groups: parameters of two axes or more, and the others.
    stale: where it is not 0, the gradient that all have from before.
    """
    model.use("", False)
    model.module.train()  # even if it has never been in another mode
    for parameter in model.parameters:
        parameter.grad = None
        if stale and parameter.requires_grad:
            parameter.grad = torch.full_like(parameter, stale)
    groups = [
        {"params": [p for p in model.parameters if p.ndim >= 2]},
        {"params": [p for p in model.parameters if p.ndim < 2]},
    ]
    return _OPTIMIZERS[kind](groups, lr=learning_rate, weight_decay=weight_decay)


class GPT2Classifier(nn.Module):
    """A classifier to fine-tune where the submission's own is broken: of token logits, which every
    GPT2 gives, whatever its parts are called.
    """

    def __init__(self, gpt2: nn.Module, embed_dim: int, num_classes: int) -> None:
        super().__init__()
        self.backbone = gpt2
        like = next(gpt2.parameters())
        tokens = torch.zeros(1, 1, dtype=torch.int64, device=like.device)
        with torch.no_grad():
            vocab_size = gpt2(tokens).shape[-1]
        self.head = nn.Linear(vocab_size, num_classes, device=like.device, dtype=like.dtype)

    def forward(self, idx: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(B, T) and (B,) -> (B, num_classes)."""
        last = self.backbone(idx)[torch.arange(len(idx)), lengths - 1]
        logits: torch.Tensor = self.head(last)
        return logits
