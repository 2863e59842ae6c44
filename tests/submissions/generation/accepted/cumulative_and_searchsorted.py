# verdict: pass
# style: inverse transform: one uniform number for each row, searchsorted in the cumulative sum
import torch


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
    training = model.training
    done = torch.zeros(len(idx), 1, dtype=torch.bool)
    try:
        model.eval()
        for _ in range(max_new_tokens):
            with torch.no_grad():
                z = model(idx[:, -block_size:])[:, -1, :]
            if temperature == 0:
                token = z.argmax(1, keepdim=True)
            else:
                z = z / temperature
                if top_k is not None:
                    z = z.masked_fill(z < z.topk(min(top_k, z.shape[1]))[0].min(1, True)[0], -1e30)
                p, order = z.softmax(1).sort(dim=1, descending=True, stable=True)
                if top_p is not None:
                    p = torch.where(p.cumsum(1) - p < top_p, p, 0.0)
                c = p.cumsum(1)
                u = torch.rand(len(idx), 1, generator=generator, dtype=c.dtype) * c[:, -1:]
                place = torch.searchsorted(c, u, right=True).clamp(max=p.shape[1] - 1)
                token = order.gather(1, place)
            if eos_token_id is not None:
                token = token.masked_fill(done, eos_token_id)
                done = done | token.eq(eos_token_id)
            idx = torch.hstack([idx, token])
            if done.all():
                return idx
    finally:
        model.train(training)
    return idx
