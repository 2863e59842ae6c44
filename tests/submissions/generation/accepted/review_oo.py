# verdict: pass
# style: of a review, oo
from __future__ import annotations
import dataclasses
from typing import Optional, Protocol
import torch
import torch.nn as nn
from torch import Tensor

class Warper(Protocol):
    def __call__(self, scores: Tensor) -> Tensor: ...

@dataclasses.dataclass(frozen=True)
class Temperature:
    t: float
    def __post_init__(self) -> None:
        if self.t < 0:
            raise ValueError(f"temperature must be >= 0, got {self.t}")
    def __call__(self, scores: Tensor) -> Tensor:
        return scores / self.t

@dataclasses.dataclass(frozen=True)
class TopK:
    k: int
    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"top_k must be >= 1, got {self.k}")
    def __call__(self, scores: Tensor) -> Tensor:
        rank = scores.argsort(dim=-1, descending=True).argsort(dim=-1)
        return scores.masked_fill(rank >= self.k, -torch.inf)

@dataclasses.dataclass(frozen=True)
class TopP:
    p: float
    def __post_init__(self) -> None:
        if not (0.0 < self.p <= 1.0):
            raise ValueError(f"top_p must be in (0, 1], got {self.p}")
    def __call__(self, scores: Tensor) -> Tensor:
        # ascending, as in HF: remove while the tail mass <= 1 - p
        s, order = scores.sort(dim=-1, descending=True)
        before = s.softmax(-1).cumsum(-1).roll(1, -1)
        before[..., 0] = 0.0
        out = scores.clone()
        out.scatter_(-1, order, s.masked_fill(before >= self.p, -torch.inf))
        return out

class Generator_:
    def __init__(self, model: nn.Module, block_size: int, warpers: list[Warper], greedy: bool, eos: Optional[int], rng) -> None:
        self.model, self.block_size, self.warpers = model, block_size, warpers
        self.greedy, self.eos, self.rng = greedy, eos, rng
    def next_token(self, seq: Tensor) -> Tensor:
        scores = self.model(seq[:, max(0, seq.size(1) - self.block_size):])[:, -1]
        if self.greedy:
            return scores.max(dim=-1).indices
        for w in self.warpers:
            scores = w(scores)
        return torch.multinomial(scores.softmax(-1), 1, generator=self.rng).squeeze(1)
    def run(self, idx: Tensor, n: int) -> Tensor:
        B, T = idx.shape
        out = idx.new_empty(B, T + n)
        out[:, :T] = idx
        alive = idx.new_ones(B, dtype=torch.bool)
        for t in range(T, T + n):
            tok = self.next_token(out[:, :t])
            if self.eos is not None:
                tok = tok.where(alive, tok.new_tensor(self.eos))
                alive &= tok != self.eos
            out[:, t] = tok
            if not alive.any():
                return out[:, :t + 1]
        return out

def generate(model: nn.Module, idx: Tensor, max_new_tokens: int, *, block_size: int, temperature: float = 1.0,
             top_k: int | None = None, top_p: float | None = None, eos_token_id: int | None = None,
             generator: torch.Generator | None = None) -> Tensor:
    if idx.ndim != 2 or idx.size(1) == 0:
        raise ValueError(f"expected idx of shape (B, T>=1), got {tuple(idx.shape)}")
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens must be >= 0, got {max_new_tokens}")
    ws: list[Warper] = [Temperature(temperature)]
    if top_k is not None:
        ws.append(TopK(top_k))
    if top_p is not None:
        ws.append(TopP(top_p))
    with torch.inference_mode():
        return Generator_(model, block_size, ws, temperature == 0, eos_token_id, generator).run(idx, max_new_tokens)
