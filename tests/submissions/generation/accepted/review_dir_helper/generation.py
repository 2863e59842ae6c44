# verdict: pass
# style: of a review, dir helper
import torch
from torch import nn
from sampling import SamplingConfig, pick

@torch.no_grad()
def generate(model, idx, max_new_tokens, *, block_size, temperature=1.0, top_k=None, top_p=None, eos_token_id=None, generator=None):
    cfg = SamplingConfig(temperature, top_k, top_p)
    if len(idx.shape) != 2 or not idx.shape[1]:
        raise ValueError("idx has to be (B, T), at least one token a row")
    if max_new_tokens < 0:
        raise ValueError("max_new_tokens < 0")
    B, T = idx.shape
    eos = -1 if eos_token_id is None else eos_token_id
    out = torch.full((B, T + max_new_tokens), eos, dtype=torch.int64, device=idx.device)
    out[:, :T] = idx
    end = T
    while end < out.shape[1] and not (eos_token_id is not None and end > T and (out[:, T:end] == eos).any(1).all()):
        lo = max(0, end - block_size)
        token = pick(model(out[:, lo:end])[:, -1, :], cfg, generator)
        over = (out[:, T:end] == eos).any(1) if eos_token_id is not None else torch.zeros(B, dtype=torch.bool)
        out[~over, end] = token[~over]
        end += 1
    return out[:, :end].contiguous()
