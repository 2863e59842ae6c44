# verdict: pass
# style: a coroutine, and an exponential race in log space
"""Coroutine + exponential race in log space (no multinomial, no softmax draw)."""
from __future__ import annotations

import contextlib
import itertools

import torch


@contextlib.contextmanager
def _asleep(model):
    modes = [(m, m.training) for m in model.modules()]
    try:
        for m, _ in modes:
            m.training = False
        with torch.no_grad():
            yield
    finally:
        for m, t in modes:
            m.training = t


def _allowed(logp, k, p):
    """Log-probabilities with -inf where nothing may be drawn."""
    order = logp.argsort(dim=-1, descending=True, stable=True)
    s = logp.gather(-1, order)
    if k is not None:
        s[:, k:] = float("-inf")
    if p is not None and p < 1:
        q = s.softmax(-1)
        before = torch.zeros_like(q)
        before[:, 1:] = q.cumsum(-1)[:, :-1]
        out = before >= p
        out[:, 0] = False
        s = s.masked_fill(out, float("-inf"))
    return torch.empty_like(s).scatter_(-1, order, s)


def _stream(model, idx, block, temp, k, p, eos, gen):
    window = idx
    ended = torch.zeros(len(idx), dtype=torch.bool, device=idx.device)
    while True:
        window = window[:, -block:]
        z = model(window)[:, -1, :].to(torch.float64)
        z = z - z.amax(-1, keepdim=True)
        if temp == 0:
            tok = z.argmax(-1)
        else:
            z = _allowed(z / temp, k, p)
            dev = z.device if gen is None else gen.device
            u = torch.rand(z.shape, generator=gen, dtype=z.dtype, device=dev).to(z.device)
            gum = -torch.log(-torch.log1p(-u))
            tok = torch.where(z == float("-inf"), z, z + gum).argmax(-1)
        tok = tok.to(idx.device)
        if eos is not None:
            tok = torch.where(ended, torch.full_like(tok, eos), tok)
            ended = ended | (tok == eos)
        yield tok[:, None]
        if eos is not None and bool(ended.all()):
            return
        window = torch.cat((window, tok[:, None]), 1)


def generate(model, idx, max_new_tokens, *, block_size, temperature=1.0, top_k=None, top_p=None,
             eos_token_id=None, generator=None):
    for bad, words in (
        (not temperature >= 0, f"temperature must be at least 0, got {temperature}"),
        (top_k is not None and top_k < 1, f"top_k must be at least 1, got {top_k}"),
        (top_p is not None and not 0 < top_p <= 1, f"top_p must be in (0, 1], got {top_p}"),
        (max_new_tokens < 0, f"max_new_tokens must not be negative, got {max_new_tokens}"),
        (idx.ndim != 2 or idx.shape[-1] < 1, f"idx must be (B, T) with T >= 1, got {tuple(idx.shape)}"),
    ):
        if bad:
            raise ValueError(words)
    start = idx.detach().clone().long()
    with _asleep(model):
        new = _stream(model, start, block_size, temperature, top_k, top_p, eos_token_id, generator)
        return torch.cat([start, *itertools.islice(new, max_new_tokens)], 1)
