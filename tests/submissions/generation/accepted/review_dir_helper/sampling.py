from typing import NamedTuple
import torch

class _C(NamedTuple):
    temperature: float
    top_k: int
    top_p: float

def SamplingConfig(temperature, top_k, top_p):
    if temperature < 0: raise ValueError("negative temperature")
    if top_k is not None and top_k < 1: raise ValueError("top_k < 1")
    if top_p is not None and (top_p <= 0 or top_p > 1): raise ValueError("top_p not in (0, 1]")
    return _C(temperature, top_k or 10**9, 1.0 if top_p is None else top_p)

def pick(logits, c, g):
    if c.temperature == 0:
        return logits.argmax(-1)
    s, i = (logits / c.temperature).sort(-1, descending=True)
    s, i = s[:, :c.top_k], i[:, :c.top_k]
    p = s.softmax(-1)
    mass_before = p.cumsum(-1) - p
    if c.top_p < 1:
        p = torch.where(mass_before < c.top_p, p, torch.zeros(()).to(p))
    j = torch.multinomial(p, 1, generator=g)
    return i.gather(-1, j).squeeze(-1)
