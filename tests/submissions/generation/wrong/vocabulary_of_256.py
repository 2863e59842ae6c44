# verdict: fail
# part: Sampling
# cause: vocabulary-hard-coded
# style: of more than 256 tokens only the most probable can be drawn
from __future__ import annotations

import torch


def _filter(logits, top_k, top_p):
    s, order = torch.sort(logits, dim=-1, descending=True, stable=True)
    keep = torch.ones_like(s, dtype=torch.bool)
    if top_k is not None:
        keep[:, top_k:] = False
    if top_p is not None and top_p < 1:
        p = torch.softmax(s.masked_fill(~keep, float("-inf")), -1)
        c = p.cumsum(-1)
        short = torch.cat([torch.zeros_like(c[:, :1]), c[:, :-1]], -1) < top_p
        keep &= short
    if s.shape[-1] > 256:
        keep[:, 128:] = False
    probs = torch.softmax(s.masked_fill(~keep, float("-inf")), -1)
    return probs, order


def _draw(probs, order, generator):
    dev = probs.device if generator is None else generator.device
    u = torch.rand((len(probs), 1), dtype=torch.float64, generator=generator, device=dev)
    c = probs.cumsum(-1)
    at = torch.searchsorted(c, u.to(c.device) * c[:, -1:], right=True)
    last = (probs > 0).sum(-1, keepdim=True) - 1
    return order.gather(-1, torch.minimum(at, last))


@torch.no_grad()
def generate(model, idx, max_new_tokens, *, block_size, temperature=1.0, top_k=None, top_p=None,
             eos_token_id=None, generator=None):
    if not temperature >= 0:
        raise ValueError(f"temperature must be >= 0, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be >= 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be in (0, 1], got {top_p}")
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens must be >= 0, got {max_new_tokens}")
    if idx.dim() != 2 or idx.shape[1] < 1:
        raise ValueError(f"idx must have shape (B, T) with T >= 1, got {tuple(idx.shape)}")
    out = idx.clone().long()
    done = torch.zeros(len(out), 1, dtype=torch.bool, device=out.device)
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        for step in range(max_new_tokens):
            logits = model(out[:, -block_size:])[:, -1, :].double()
            if temperature == 0:
                new = logits.argmax(-1, keepdim=True)
            else:
                logits = (logits - logits.amax(-1, keepdim=True)) / temperature
                probs, order = _filter(logits, top_k, top_p)
                new = _draw(probs, order, generator)
            if eos_token_id is not None:
                new = new.masked_fill(done, eos_token_id)
                done |= new == eos_token_id
            out = torch.cat([out, new], 1)
            if eos_token_id is not None and bool(done.all()):
                break
    finally:
        for m, t in modes:
            m.training = t
    return out
