# verdict: pass
# style: dataclass of settings, A and B in a ParameterDict, trains again what was trained before
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Settings:
    rank: int
    alpha: float

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


class LoRALinear(nn.Module):
    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.settings = Settings(rank, alpha)
        self.was_trained = [p.requires_grad for p in linear.parameters()]
        self.linear = linear
        for p in linear.parameters():
            p.requires_grad_(False)
        with torch.no_grad():
            self.adapter = nn.ParameterDict(
                {
                    "A": torch.randn_like(linear.weight[:1]).repeat(rank, 1)
                    * torch.linspace(0.1, 1, rank).to(linear.weight)[:, None],
                    "B": torch.zeros_like(linear.weight[:, :1]).repeat(1, rank),
                }
            )

    def update(self) -> Tensor:
        return self.settings.scale * (self.adapter["B"] @ self.adapter["A"])

    def forward(self, x: Tensor) -> Tensor:
        low = nn.functional.linear(x, self.adapter["A"])
        return self.linear(x) + self.settings.scale * nn.functional.linear(low, self.adapter["B"])


def places(model: nn.Module, kind: type) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    for parent in [m for m in model.modules() if not isinstance(m, LoRALinear)]:
        for name, child in list(parent._modules.items()):
            if isinstance(child, kind):
                yield parent, name, child


def add_lora(model: nn.Module, rank: int, alpha: float) -> None:
    todo = list(places(model, nn.Linear))
    adapters = {layer: LoRALinear(layer, rank, alpha) for _, _, layer in todo}
    for p in model.parameters():
        p.requires_grad_(False)
    for parent, name, layer in todo:
        setattr(parent, name, adapters[layer])


def merge_lora(model: nn.Module) -> None:
    todo = list(places(model, LoRALinear))
    merged: dict[nn.Module, nn.Linear] = {}
    for _, _, adapter in todo:
        if adapter in merged:
            continue
        layer = adapter.linear
        layer.weight = nn.Parameter((layer.weight + adapter.update()).detach())
        for p, trained in zip(layer.parameters(), adapter.was_trained):
            p.requires_grad_(trained)
        merged[adapter] = layer
    for parent, name, adapter in todo:
        setattr(parent, name, merged[adapter])
