"""Bridges to models that go beyond the brief: `forward(idx, targets)`, their own `generate`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lab.submission import YOURS, Submission

# What each argument of the lab's may be called in a generate of a model.
_CALLED = {
    "max_new_tokens": ("max_new_tokens", "max_tokens", "num_tokens", "n", "steps"),
    "temperature": ("temperature", "temp"),
    "top_k": ("top_k", "topk", "k"),
    "top_p": ("top_p", "topp", "p"),
    "eos_token_id": ("eos_token_id", "eos_token", "eos_id", "eos", "stop_token"),
    "block_size": ("block_size", "context_length", "max_seq_length"),
    "generator": ("generator",),
}
# What leaves the choice of a token as it is.
_NEUTRAL = {"temperature": 1.0, "top_k": None, "top_p": None, "eos_token_id": None}


class LogitsOnly(nn.Module):
    """A model that gives more than logits, as the brief has it: idx (B, T) -> logits (B, T, V).

    Called with targets it gives what it always gives.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._needed = _required(model.forward) - 1

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """idx (B, T) -> logits (B, T, V)"""
        if len(inputs) + len(named) > 1:
            return self.model(*inputs, **named)
        return _logits(self.model(*inputs, *[None] * self._needed, **named))


def logits_of(model: nn.Module) -> nn.Module:
    """The model, or if that gives more than logits, what gives those alone."""
    if _required(model.forward) > 1:
        return LogitsOnly(model)
    training = model.training
    idx = torch.zeros(1, 1, dtype=torch.int64, device=next(model.parameters()).device)
    try:
        with torch.no_grad():
            return model if torch.is_tensor(model.eval()(idx)) else LogitsOnly(model)
    finally:
        model.train(training)


def _required(function: Callable[..., Any]) -> int:
    """How many arguments must be given."""
    return sum(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in inspect.signature(function).parameters.values()
    )


def _logits(given: Any) -> Any:
    """Of a tuple the first with three axes, which a loss has not; of others `logits`."""
    if isinstance(given, tuple | list):
        return next((one for one in given if torch.is_tensor(one) and one.ndim == 3), given[0])
    if isinstance(given, dict):
        return given["logits"]
    return getattr(given, "logits", given)


def own_generate(submission: Submission, model: nn.Module) -> OwnGenerate | None:
    """The model's own `generate`, if it has one and the submission has no generation.py."""
    method = getattr(model, "generate", None) if may_write(submission) else None
    return None if method is None else OwnGenerate(method)


def may_write(submission: Submission) -> bool:
    """Whether a `generate` of the model would count: the model is one's own, generation.py not."""
    model, generation = submission.place("gpt2"), submission.place("generation")
    return (
        model is not None
        and submission.whose(model) == YOURS
        and (generation is None or submission.whose(generation) != YOURS)
    )


class OwnGenerate:
    """A model's method, called as generate of generation.py. What it does not take is left out."""

    def __init__(self, method: Callable[..., torch.Tensor]) -> None:
        self._method = method
        parameters = inspect.signature(method).parameters
        self._names = {
            ours: next((name for name in names if name in parameters), None)
            for ours, names in _CALLED.items()
        }

    def ignored(self, **asked: Any) -> list[str]:
        """What it cannot follow of these arguments."""
        return [
            name
            for name, value in asked.items()
            if value != _NEUTRAL[name] and self._names[name] is None
        ]

    def __call__(
        self,
        model: nn.Module,
        idx: torch.Tensor,
        max_new_tokens: int,
        *,
        generator: torch.Generator | None = None,
        **how: Any,
    ) -> torch.Tensor:
        """idx (B, T) -> (B, T + n)"""
        if how.get("temperature") == 0 and self._names["top_k"]:
            how |= {"temperature": 1.0, "top_k": 1}  # the same, and nothing is divided by it
        asked = {"max_new_tokens": max_new_tokens, "generator": generator, **how}
        given = {
            name: value
            for ours, value in asked.items()
            if value is not None and (name := self._names[ours]) is not None
        }
        training, chance = model.training, generator.initial_seed() if generator else 0
        # Chance of its own where it takes no generator: training goes on as without it.
        with torch.no_grad(), torch.random.fork_rng(devices=_devices(idx)):
            torch.manual_seed(chance)
            model.eval()
            out = self._method(idx, **given)
            model.train(training)
        length = idx.shape[1]
        whole = out.shape[1] >= length and torch.equal(out[:, :length], idx)
        return out if whole else torch.cat([idx, out], dim=1)


def _devices(idx: torch.Tensor) -> list[torch.device]:
    return [idx.device] if idx.device.type == "cuda" else []
