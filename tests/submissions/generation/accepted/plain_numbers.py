# verdict: pass
# style: plain Python numbers: math.exp, accumulate and bisect
"""Plain Python numbers: sorted lists, math.exp, accumulate and bisect; one uniform number a row."""
from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from itertools import accumulate

import torch


def _pick(z, temp, k, p, u):
    ranked = sorted(range(len(z)), key=z.__getitem__, reverse=True)
    top = z[ranked[0]]
    if temp == 0:
        return ranked[0]
    if k is not None:
        del ranked[k:]
    w = [math.exp((z[i] - top) / temp) for i in ranked]
    total = math.fsum(w)
    w = [x / total for x in w if x > 0]
    cdf = list(accumulate(w))
    if p is not None and p < 1:
        n = bisect_left(cdf, p) + 1  # the first place with cdf >= p is in
        del cdf[n:]
    return ranked[min(bisect_right(cdf, u * cdf[-1]), len(cdf) - 1)]


def _check(idx, n, temp, k, p):
    if not isinstance(idx, torch.Tensor) or idx.dim() != 2 or idx.size(1) == 0:
        raise ValueError("idx must be a tensor of shape (B, T) with T of at least 1")
    if n < 0:
        raise ValueError("max_new_tokens must be 0 or more, not %r" % (n,))
    if not temp >= 0:
        raise ValueError("temperature must be 0 or more, not %r" % (temp,))
    if k is not None and k < 1:
        raise ValueError("top_k must be 1 or more, not %r" % (k,))
    if p is not None and not 0 < p <= 1:
        raise ValueError("top_p must be above 0 and at most 1, not %r" % (p,))


def generate(model, idx, max_new_tokens, *, block_size, temperature=1.0, top_k=None, top_p=None,
             eos_token_id=None, generator=None):
    _check(idx, max_new_tokens, temperature, top_k, top_p)
    modes = {m: m.training for m in model.modules()}
    rows = idx.tolist()
    done = [False] * len(rows)
    try:
        model.eval()
        for _ in range(max_new_tokens):
            seen = torch.tensor([r[-block_size:] for r in rows], dtype=torch.int64, device=idx.device)
            with torch.no_grad():
                z = model(seen)[:, -1].double().tolist()
            if temperature == 0:
                us = [0.0] * len(rows)
            else:
                dev = "cpu" if generator is None else generator.device
                us = torch.rand(len(rows), generator=generator, dtype=torch.float64, device=dev).tolist()
            for b, row in enumerate(rows):
                if done[b]:
                    row.append(eos_token_id)
                else:
                    row.append(_pick(z[b], temperature, top_k, top_p, us[b]))
                    done[b] = eos_token_id is not None and row[-1] == eos_token_id
            if all(done):
                break
    finally:
        for m, t in modes.items():
            m.training = t
    return torch.tensor(rows, dtype=torch.int64, device=idx.device)
