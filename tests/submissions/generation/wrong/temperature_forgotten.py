# verdict: fail
# part: Sampling
# cause: temperature-ignored
# style: gumbel max
import torch


def cut(logits, top_k, top_p):
    if top_k is not None:
        kth = logits.sort(-1, descending=True).values[:, min(top_k, logits.shape[-1]) - 1]
        logits = torch.where(logits >= kth[:, None], logits, -float("inf"))
    if top_p is not None:
        p = logits.softmax(-1)
        # what is more probable, summed up for each token
        before = (p[:, None, :] * (p[:, None, :] > p[:, :, None])).sum(-1)
        logits = torch.where(before < top_p, logits, -float("inf"))
    return logits


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
    alive = torch.ones(idx.shape[0], dtype=torch.bool)
    new = []
    context = idx
    for _ in range(max_new_tokens):
        logits = model(context[:, -block_size:])[:, -1].double()
        if temperature > 0:
            logits = cut(logits, top_k, top_p)
            noise = torch.empty_like(logits).exponential_(generator=generator)
            logits = logits - noise.log()
        token = logits.argmax(-1)
        if eos_token_id is not None:
            token = torch.where(alive, token, torch.full_like(token, eos_token_id))
            alive = alive & token.ne(eos_token_id)
        new.append(token)
        context = torch.cat([context, token.unsqueeze(1)], 1)
        if not alive.any():
            break
    return torch.cat([idx, torch.stack(new, 1)], 1) if new else idx.clone()
