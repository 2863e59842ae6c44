# verdict: pass
# style: only rows that go on are given to the model
"""Buffer filled with EOS up front; only unfinished rows go through the model (batch shrinks)."""
from __future__ import annotations

import torch


class _Writer:
    def __init__(self, model, block, temp, k, p, gen):
        self.model, self.block, self.temp, self.k, self.p, self.gen = model, block, temp, k, p, gen

    def __call__(self, ctx):
        z = self.model(ctx[:, max(0, ctx.shape[1] - self.block):]).select(1, -1).double()
        v = z.shape[-1]
        if not self.temp:
            return z.max(-1).indices
        best, names = z.topk(v if self.k is None else min(self.k, v), dim=-1, sorted=True)
        w = torch.exp((best - best[:, :1]) / self.temp)
        w = w / w.sum(-1, keepdim=True)
        if self.p is not None and self.p != 1:
            n = (w.cumsum(-1) < self.p).sum(-1, keepdim=True)  # strictly short of the line
            w = w * (torch.arange(w.shape[-1], device=w.device) <= n)
        if self.gen is not None:
            w = w.to(self.gen.device)
        at = torch.multinomial(w, 1, generator=self.gen)
        return names.gather(-1, at.to(names.device)).squeeze(-1)


@torch.no_grad()
def generate(model, idx, max_new_tokens, *, block_size, temperature=1.0, top_k=None, top_p=None,
             eos_token_id=None, generator=None):
    if temperature != temperature or temperature < 0:
        raise ValueError(f"a temperature of {temperature}: it must not be negative")
    if top_k is not None and top_k <= 0:
        raise ValueError(f"a top_k of {top_k}: it must be at least 1")
    if top_p is not None and not (top_p > 0 and top_p <= 1):
        raise ValueError(f"a top_p of {top_p}: it must be in (0, 1]")
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens is {max_new_tokens}: it must not be negative")
    if idx.dim() != 2 or not idx.shape[1]:
        raise ValueError(f"idx has shape {tuple(idx.shape)}: it must be (B, T) with T >= 1")
    b, t = idx.shape
    fill = 0 if eos_token_id is None else eos_token_id
    out = torch.full((b, t + max_new_tokens), fill, dtype=torch.int64, device=idx.device)
    out[:, :t] = idx
    live = torch.arange(b, device=idx.device)
    write = _Writer(model, block_size, temperature, top_k, top_p, generator)
    were = [m for m in model.modules() if m.training]
    try:
        for m in were:
            m.training = False
        for end in range(t, t + max_new_tokens):
            new = write(out[live, :end]).to(out.device)
            out[live, end] = new
            if eos_token_id is not None:
                live = live[new != eos_token_id]
                if live.numel() == 0:
                    return out[:, : end + 1].clone()
        return out
    finally:
        for m in were:
            m.training = True
