# verdict: fail
# part: Greedy
# cause: eos-never-stops
# style: recursive
from dataclasses import dataclass
from typing import Optional

import torch


@dataclass
class Settings:
    block_size: int
    temperature: float
    top_k: Optional[int]
    top_p: Optional[float]
    eos: Optional[int]
    generator: Optional[torch.Generator]

    def choose(self, logits):
        if self.temperature == 0:
            return logits.argmax(-1)
        p = (logits / self.temperature).softmax(-1)
        if self.top_k is not None:
            k = min(self.top_k, p.shape[-1])
            p = p * (p >= p.kthvalue(p.shape[-1] - k + 1, dim=-1, keepdim=True).values)
            p = p / p.sum(-1, keepdim=True)
        if self.top_p is not None:
            s, at = p.sort(-1, descending=True)
            s[(s.cumsum(-1) - s) >= self.top_p] = 0
            p = torch.empty_like(s).scatter_(-1, at, s)
        return torch.multinomial(p, 1, generator=self.generator).squeeze(-1)


def step(model, idx, left, done, s):
    if left == 0:
        return idx
    token = s.choose(model(idx[:, -s.block_size :])[:, -1])
    if s.eos is not None:
        token[done] = s.eos
        done = done | (token == s.eos)
    return step(model, torch.cat([idx, token[:, None]], 1), left - 1, done, s)


def generate(
    model,
    idx,
    max_new_tokens,
    *,
    block_size,
    temperature=1.0,
    top_k=None,
    top_p=None,
    eos_token_id=None,
    generator=None,
):
    if idx.dim() != 2 or idx.size(1) < 1:
        raise ValueError("idx must be (B, T) with T >= 1")
    if max_new_tokens < 0 or temperature < 0:
        raise ValueError("max_new_tokens and temperature must not be negative")
    if top_k is not None and top_k < 1:
        raise ValueError("top_k must be at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError("top_p must be in (0, 1]")
    settings = Settings(block_size, temperature, top_k, top_p, eos_token_id, generator)
    with torch.no_grad():
        return step(model, idx, max_new_tokens, torch.zeros(len(idx), dtype=torch.bool), settings)
