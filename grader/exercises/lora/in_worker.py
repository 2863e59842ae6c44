"""Layers and models that the grader brings, for the submission to put adapters around."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from grader.sandbox import wire
from grader.sandbox.worker import tensors
from grader.sandbox.worker.shared import Questions, Shared


class Layer(nn.Module):
    """A residual branch: norm, up, tanh, down. `up` may be another layer's, too."""

    def __init__(self, up: nn.Linear, down: nn.Linear) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(up.in_features)
        self.up = up
        self.down = down

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)."""
        return x + self.down(torch.tanh(self.up(self.norm(x))))


class Toy(nn.Module):
    """A small language model without attention: see `Toy` in the oracle of `lora`.

    weights: embedding (V, C); up (H, C) and its bias (H,), of both layers; down (C, H), of each;
    and the head's (V, C), unless it is tied to the embedding.
    """

    def __init__(self, weights: list[torch.Tensor], tied: bool) -> None:
        super().__init__()
        embedding, up_weight, up_bias, first, second, head = weights
        self.embed = nn.Embedding(*embedding.shape)
        self.embed.weight = nn.Parameter(embedding)
        up = _linear(up_weight, up_bias)
        self.layers = nn.ModuleList([Layer(up, _linear(first)), Layer(up, _linear(second))])
        self.gain = nn.Parameter(torch.ones(embedding.shape[1]))
        self.head = _linear(head)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """(B, T) -> (B, T, V)."""
        x = self.embed(idx) * self.gain
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


def _linear(weight: torch.Tensor, bias: torch.Tensor | None = None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, dtype=weight.dtype)
    layer.weight = nn.Parameter(weight)
    if bias is not None:
        layer.bias = nn.Parameter(bias)
    return layer


class Adapting:
    """Answers about adapters. objects: what lives here, by "kind:number"."""

    def __init__(self, objects: dict[str, Any]) -> None:
        self._objects = objects
        self.questions: Questions = {
            "lora_linear": self.linear,
            "lora_toy": self.toy,
            "lora_layers": self.layers,
        }

    def linear(self, arrays: tuple[wire.Array, ...], place: str) -> wire.Message:
        """Hold an nn.Linear with this weight and, if there is one, this bias."""
        self._objects[place] = _linear(*map(tensors.decode, arrays))
        return wire.Message({})

    def toy(self, arrays: tuple[wire.Array, ...], place: str, tied: bool) -> wire.Message:
        """Hold a toy model with these weights."""
        weights = list(map(tensors.decode, arrays))
        self._objects[place] = Toy(weights, tied).to(weights[0].dtype).eval()
        return wire.Message({})

    def layers(self, arrays: tuple[wire.Array, ...], held: str) -> wire.Message:
        """The paths of the distinct nn.Linear in a held model, and of the shape of each."""
        found = {
            path: [module.out_features, module.in_features]
            for path, module in self._objects[held].named_modules()
            if isinstance(module, nn.Linear)
        }
        return wire.Message({"layers": [[path, *shape] for path, shape in found.items()]})


def questions(shared: Shared) -> Questions:
    """What is asked of a worker for this exercise alone."""
    return Adapting(shared.objects).questions
