# verdict: fail
# part: Greedy
# cause: eos-stops-at-first-row
# style: row by row in python
import torch


def allowed(p, top_k, top_p):
    order = sorted(range(len(p)), key=lambda i: -p[i])
    if top_k is not None:
        order = order[:top_k]
    total = sum(p[i] for i in order)
    kept, reached = [], 0.0
    for i in order:
        if top_p is not None and reached >= top_p * total:
            break
        kept.append(i)
        reached += p[i]
    return kept


def pick(logits, temperature, top_k, top_p, generator):
    if temperature == 0:
        return int(torch.argmax(logits))
    p = torch.softmax(logits / temperature, -1).tolist()
    kept = allowed(p, top_k, top_p)
    u = float(torch.rand((), generator=generator)) * sum(p[i] for i in kept)
    for i in kept:
        u -= p[i]
        if u < 0:
            return i
    return kept[-1]


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
    rows = [row.tolist() for row in idx]
    done = [False for _ in rows]
    for _ in range(max_new_tokens):
        logits = model(torch.tensor([row[-block_size:] for row in rows], device=idx.device))
        for n, row in enumerate(rows):
            token = pick(logits[n, -1], temperature, top_k, top_p, generator)
            if done[n]:
                token = eos_token_id
            row.append(token)
            done[n] = done[n] or token == eos_token_id
        if eos_token_id is not None and any(done):
            break
    return torch.tensor(rows, dtype=torch.long, device=idx.device)
