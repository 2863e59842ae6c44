"""Calls the submission's functions: with scripted models, generators, arrays and plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from grader import wire
from grader.worker import tensors


class ScriptedModel(nn.Module):
    """A language model of which every logit is known; see `grader.oracle.generation.Script`.

    It is a parameter's worth of a model, so that a submission finds a device and a mode on it.
    """

    def __init__(self, arrays: Sequence[wire.Array], decay: float) -> None:
        super().__init__()
        embed, places, head, bias = map(tensors.decode, arrays)
        self.embed = nn.Parameter(embed)
        self.places, self.head, self.bias = places, head, bias
        self._decay = decay
        self._noise = nn.Dropout(0.5)
        self.recorded = False  # whether it was ever called while gradients were

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """(B, T) -> (B, T, V). Raises ValueError for more tokens than there are places."""
        if idx.ndim != 2 or not 1 <= idx.shape[1] <= len(self.places):
            raise ValueError(
                f"the model takes (B, T) with T from 1 to block_size = {len(self.places)}, "
                f"found {tuple(idx.shape)}"
            )
        self.recorded |= torch.is_grad_enabled()
        x = self.embed[idx] + self.places[: idx.shape[1]]
        state, states = torch.zeros_like(x[:, 0]), []
        for t in range(idx.shape[1]):
            state = self._decay * state + x[:, t]
            states.append(state)
        # In train mode there is chance in it, as there is in a model with dropout.
        return self._noise(torch.tanh(torch.stack(states, 1)) @ self.head) + self.bias


def run(
    function: Callable[..., Any], arrays: tuple[wire.Array, ...], given: dict[str, Any], seed: int
) -> wire.Message:
    """Call a function; says what came back and what became of what it was given.

    given: keyword arguments, each {"value": …}, {"array": index}, {"generator": seed}, or
    {"script": [indices], "decay": …, "train": …}.
    """
    torch.set_default_dtype(torch.float64)
    made = {name: _made(item, arrays) for name, item in given.items()}
    models = [item for item in made.values() if isinstance(item, ScriptedModel)]
    modes = [model.training for model in models]
    inputs = {n: item for n, item in made.items() if type(item) is torch.Tensor}
    torch.default_generator.manual_seed(seed)
    output = function(**made)
    problem = tensors.unsendable([output])
    if problem is not None:
        return wire.Message({"unsendable": problem})
    facts = {
        "recorded": any(model.recorded for model in models),
        "mode_kept": all(m.training is mode for m, mode in zip(models, modes, strict=True)),
        "gradients": any(p.grad is not None for model in models for p in model.parameters()),
        "after": list(inputs),
    }
    sent = [output, *inputs.values()]
    return wire.Message(facts, tuple(map(tensors.encode, sent)))


def _made(item: dict[str, Any], arrays: tuple[wire.Array, ...]) -> Any:
    if "array" in item:
        return tensors.decode(arrays[item["array"]])
    if "generator" in item:
        return torch.Generator().manual_seed(item["generator"])
    if "script" in item:
        model = ScriptedModel([arrays[index] for index in item["script"]], item["decay"])
        return model.train(item["train"])
    return item["value"]
