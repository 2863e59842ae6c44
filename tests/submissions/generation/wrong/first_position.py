# verdict: fail
# part: Greedy
# cause: reads-first-position
# style: nanogpt style
import torch
from torch.nn import functional as F


@torch.no_grad()
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
    done = torch.zeros(idx.size(0), dtype=torch.bool, device=idx.device)
    for _ in range(max_new_tokens):
        idx_cond = idx if idx.size(1) <= block_size else idx[:, -block_size:]
        logits = model(idx_cond)
        logits = logits[:, 0, :]
        if temperature == 0:
            idx_next = torch.argmax(logits, dim=-1, keepdim=True)
        else:
            logits = logits / temperature
            if top_k is not None:
                v, _ = torch.topk(logits, min(top_k, logits.size(-1)))
                logits[logits < v[:, [-1]]] = -float("Inf")
            probs = F.softmax(logits, dim=-1)
            if top_p is not None:
                sorted_probs, sorted_idx = torch.sort(probs, descending=True, dim=-1)
                cumulative = torch.cumsum(sorted_probs, dim=-1)
                remove = cumulative - sorted_probs >= top_p
                sorted_probs[remove] = 0.0
                probs = torch.zeros_like(probs).scatter_(1, sorted_idx, sorted_probs)
            idx_next = torch.multinomial(probs, num_samples=1, generator=generator)
        if eos_token_id is not None:
            idx_next[done] = eos_token_id
            done |= idx_next[:, 0] == eos_token_id
        idx = torch.cat((idx, idx_next), dim=1)
        if eos_token_id is not None and bool(done.all()):
            break
    return idx
