# verdict: pass
# style: of a review, probspace
import torch
from torch import nn
from typing import Iterator
F = torch.nn.functional

def distribution(logits, temperature, top_k, top_p):
    """(B, V) logits -> (B, V) probabilities"""
    V = logits.shape[-1]
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), V).to(logits.dtype)
    p = F.softmax(logits / temperature, -1)
    if top_k is not None:
        v, i = p.topk(min(V, top_k))
        p = torch.zeros_like(p).scatter(-1, i, v / v.sum(-1, keepdim=True))
    if top_p is not None:
        v, i = p.sort(-1, descending=True)
        n = 1 + (v.cumsum(-1) < top_p).sum(-1, keepdim=True)
        v = v * (torch.arange(V, device=v.device) < n)
        p = torch.zeros_like(p).scatter(-1, i, v / v.sum(-1, keepdim=True))
    return p

def stream(model, idx, block_size, **how) -> Iterator[torch.Tensor]:
    g = how.pop("generator")
    while True:
        t = how["temperature"]
        p = distribution(model(idx[:, -block_size:])[:, -1], t, how["top_k"], how["top_p"])
        new = p.argmax(-1) if t == 0 else p.multinomial(1, generator=g)[:, 0]
        new = yield new
        idx = torch.cat([idx, new[:, None]], 1)

def generate(model, idx, max_new_tokens, *, block_size, temperature=1.0, top_k=None, top_p=None, eos_token_id=None, generator=None):
    if idx.dim() != 2 or idx.shape[1] < 1:
        raise ValueError("idx must have shape (B, T) with T >= 1")
    if max_new_tokens < 0:
        raise ValueError("max_new_tokens must not be negative")
    if temperature < 0:
        raise ValueError("temperature must not be negative")
    if top_k is not None and top_k < 1:
        raise ValueError("top_k must be at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError("top_p must be in (0, 1]")
    with torch.no_grad():
        s = stream(model, idx, block_size, temperature=temperature, top_k=top_k, top_p=top_p, generator=generator)
        out, new = idx.clone(), None
        stop = torch.zeros(idx.shape[0], dtype=torch.bool)
        for _ in range(max_new_tokens):
            new = s.send(new)
            if eos_token_id is not None:
                new = torch.where(stop, eos_token_id, new)
                stop = stop | (new == eos_token_id)
            out = torch.cat([out, new[:, None]], 1)
            if bool(stop.all()):
                break
        return out
