# verdict: fail
# part: Contract
# cause: always-same
# style: preallocated buffer
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
    rows, length = idx.shape
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    out = idx.new_zeros((rows, length + max_new_tokens))
    out[:, :length] = idx
    ended = [False] * rows
    was = model.training
    model.eval()
    with torch.no_grad():
        while length < out.shape[1]:
            start = max(0, length - block_size)
            step = model(out[:, start:length])[:, -1]
            if temperature == 0:
                new = step.max(-1).indices
            else:
                step = step.div(temperature)
                if top_k is not None and top_k < step.shape[-1]:
                    best = step.topk(top_k)
                    step = torch.full_like(step, -torch.inf).scatter(1, best.indices, best.values)
                p = torch.softmax(step, 1)
                if top_p is not None:
                    q, order = p.sort(1, True)
                    total = q.cumsum(1)
                    keep = torch.ones_like(q, dtype=torch.bool)
                    keep[:, 1:] = total[:, :-1] < top_p
                    p = torch.zeros_like(p).scatter_(1, order, q * keep)
                    p = p / p.sum(1, keepdim=True)
                new = p.multinomial(1, generator=generator).flatten()
            out[:, length] = new
            length += 1
            if eos_token_id is not None:
                for row in range(rows):
                    if ended[row]:
                        out[row, length - 1] = eos_token_id
                    elif int(new[row]) == eos_token_id:
                        ended[row] = True
                if all(ended):
                    break
    model.train(was)
    return out[:, :length]
