# verdict: pass
# style: probabilities raced by exponential numbers, as fast decoders draw; everything in place
import contextlib

import torch


@contextlib.contextmanager
def _quietly(model):
    modes = [(module, module.training) for module in model.modules()]
    try:
        with torch.inference_mode():
            yield model.eval()
    finally:
        for module, training in modes:
            module.training = training


def _keep_top_k(logits, k):
    if k is None or k >= logits.size(-1):
        return logits
    kept = torch.full_like(logits, -torch.inf)
    values, places = logits.topk(k, dim=-1)
    return kept.scatter_(-1, places, values)


def _keep_top_p(probs, p):
    if p is None:
        return probs
    order = probs.argsort(dim=-1, descending=True, stable=True)
    ranked = probs.gather(-1, order)
    enough = torch.roll(ranked.cumsum(-1) >= p, 1, dims=-1)
    enough[..., 0] = False
    return probs.masked_fill(enough.gather(-1, order.argsort(-1)), 0)


def _race(probs, generator):
    times = torch.empty_like(probs).exponential_(generator=generator)
    return (probs / times).argmax(-1, keepdim=True)


def generate(
    model, idx, max_new_tokens, *, block_size, temperature=1.0, top_k=None, top_p=None,
    eos_token_id=None, generator=None,
):
    match idx.shape:
        case (_, length) if length > 0:
            pass
        case shape:
            raise ValueError(f"expected prompts (B, T) with T >= 1, got {tuple(shape)}")
    if max_new_tokens < 0:
        raise ValueError("max_new_tokens < 0")
    if temperature < 0:
        raise ValueError("temperature < 0")
    if top_k is not None and top_k <= 0:
        raise ValueError("top_k <= 0")
    if top_p is not None and (top_p <= 0 or top_p > 1):
        raise ValueError("top_p outside of (0, 1]")

    width = idx.size(1)
    out = torch.empty(idx.size(0), width + max_new_tokens, dtype=torch.long, device=idx.device)
    out[:, :width] = idx
    alive = torch.ones(idx.size(0), 1, dtype=torch.bool, device=idx.device)
    with _quietly(model):
        for end in range(width, width + max_new_tokens):
            logits = model(out[:, max(0, end - block_size) : end])[:, -1, :]
            if temperature == 0:
                token = logits.argmax(-1, keepdim=True)
            else:
                probs = _keep_top_k(logits / temperature, top_k).softmax(-1)
                token = _race(_keep_top_p(probs, top_p), generator)
            if eos_token_id is not None:
                token = torch.where(alive, token, eos_token_id)
                alive = alive & (token != eos_token_id)
            out[:, end : end + 1] = token
            if not alive.any():
                return out[:, : end + 1].clone()
    return out
