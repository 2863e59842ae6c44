# verdict: fail
# part: Sampling
# cause: eos-not-in-draws
# style: of a review, x eos only greedy
import torch
from torch import nn

@torch.no_grad()
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
    done = torch.zeros(idx.shape[0], dtype=torch.bool, device=idx.device)
    for _ in range(max_new_tokens):
        ctx = idx[:, -block_size:]
        logits = model(ctx)[:, -1, :]
        if temperature == 0:
            nxt = logits.argmax(dim=-1, keepdim=True)
        else:
            logits = logits / temperature
            if top_k is not None:
                k = min(top_k, logits.shape[-1])
                vals, ind = torch.topk(logits, k, dim=-1)
                logits = torch.full_like(logits, float("-inf")).scatter(-1, ind, vals)
            probs = torch.softmax(logits, dim=-1)
            if top_p is not None:
                sp, si = torch.sort(probs, dim=-1, descending=True)
                cum = torch.cumsum(sp, dim=-1)
                drop = (cum - sp) >= top_p
                drop[:, 0] = False
                sp = sp.masked_fill(drop, 0.0)
                probs = torch.zeros_like(probs).scatter(-1, si, sp)
            nxt = torch.multinomial(probs, num_samples=1, generator=generator)
        if eos_token_id is not None and temperature == 0:
            nxt = torch.where(done[:, None], torch.full_like(nxt, eos_token_id), nxt)
            done = done | (nxt[:, 0] == eos_token_id)
        idx = torch.cat([idx, nxt], dim=1)
        if done.all():
            break
    return idx
