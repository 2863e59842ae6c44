# verdict: fail
# part: Contract
# cause: recording-not-kept
# style: preallocated output; set_grad_enabled(False) before the loop, True after it
"""Preallocated output, topk threshold, ascending cumulative sum, torch.multinomial."""

import torch
import torch.nn.functional as F


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
    for bad, words in (
        (temperature < 0, f"temperature {temperature} is negative"),
        (top_k is not None and top_k < 1, f"top_k {top_k} is below 1"),
        (top_p is not None and (top_p <= 0 or top_p > 1), f"top_p {top_p} is outside (0, 1]"),
        (max_new_tokens < 0, f"max_new_tokens {max_new_tokens} is negative"),
        (
            idx.dim() != 2 or idx.numel() == 0 and idx.size(-1) == 0,
            f"idx has shape {tuple(idx.shape)}, not (B, T)",
        ),
    ):
        if bad:
            raise ValueError(words)
    torch.set_grad_enabled(False)
    B, T = idx.shape
    out = idx.new_zeros(B, T + max_new_tokens)
    out[:, :T] = idx
    finished = [False] * B
    end = T
    while end < T + max_new_tokens:
        z = model(out[:, max(0, end - block_size) : end])[:, -1, :]
        if temperature == 0:
            tok = z.max(-1).indices
        else:
            z = z / temperature
            if top_k is not None:
                kth = z.topk(min(top_k, z.size(-1)), -1).values[:, -1:]
                z = torch.where(z < kth, -float("inf"), z)
            if top_p is not None and top_p < 1:
                v, i = F.softmax(z, -1).sort(descending=True)
                c = v.cumsum(-1).roll(1, -1)
                c[:, 0] = 0
                v = v * (c < top_p)
                tok = i.gather(1, torch.multinomial(v, 1, generator=generator))[:, 0]
            else:
                tok = torch.multinomial(F.softmax(z, -1), 1, generator=generator)[:, 0]
        for b in range(B):
            t = eos_token_id if finished[b] else int(tok[b])
            out[b, end] = t
            finished[b] = finished[b] or (eos_token_id is not None and t == eos_token_id)
        end += 1
        if all(finished):
            break
    torch.set_grad_enabled(True)
    return out[:, :end].clone()
