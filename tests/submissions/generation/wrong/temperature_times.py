# verdict: fail
# part: Sampling
# cause: temperature-multiplied
# style: generator of steps
import torch
from torch.distributions import Categorical


def _filtered(logits, top_k, top_p):
    order = logits.argsort(dim=-1, descending=True)
    rank = order.argsort(dim=-1)
    if top_k is not None:
        logits = logits.masked_fill(rank >= top_k, float("-inf"))
    if top_p is not None:
        p = logits.softmax(-1).gather(1, order)
        out = (p.cumsum(-1) - p >= top_p).gather(1, rank)
        logits = logits.masked_fill(out, float("-inf"))
    return logits


def _columns(model, idx, block_size, temperature, top_k, top_p, eos, generator):
    done = torch.zeros(idx.shape[0], dtype=torch.bool)
    while not (eos is not None and done.all()):
        with torch.no_grad():
            logits = model(idx[:, -block_size:])[:, -1]
        if temperature == 0:
            column = logits.argmax(-1)
        else:
            logits = _filtered(logits * temperature, top_k, top_p)
            if generator is None:
                column = Categorical(logits=logits).sample()
            else:
                column = logits.softmax(-1).multinomial(1, generator=generator)[:, 0]
        if eos is not None:
            column = column.where(~done, eos)
            done |= column == eos
        idx = torch.cat([idx, column[:, None]], 1)
        yield column


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
    steps = _columns(
        model, idx, block_size, temperature, top_k, top_p, eos_token_id, generator
    )
    columns = [column for _, column in zip(range(max_new_tokens), steps)]
    return torch.cat([idx, *(column[:, None] for column in columns)], dim=1)
