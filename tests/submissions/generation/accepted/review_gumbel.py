# verdict: pass
# style: of a review, gumbel
import torch
from torch import nn
import contextlib

@contextlib.contextmanager
def evaluating(model):
    modes = {m: m.training for m in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for m, t in modes.items():
            m.training = t

def gumbel(x, g):
    e = torch.empty_like(x, dtype=torch.float64).exponential_(generator=g)
    return -e.log()

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
    V = None
    n = 0
    prompt = idx
    idx = idx.detach().clone()
    ended = [False] * idx.size(0)
    with torch.no_grad(), evaluating(model):
        while n < max_new_tokens:
            n += 1
            z = model(idx[:, -block_size:])[:, -1].double()
            if temperature > 0:
                z = z / temperature
                if top_k is not None and top_k < z.size(1):
                    keep = torch.zeros_like(z, dtype=torch.bool).scatter_(1, z.topk(top_k, 1).indices, True)
                    z = torch.where(keep, z, -torch.inf)
                if top_p is not None and top_p < 1:
                    logp = z.log_softmax(1)
                    for b in range(z.size(0)):
                        total = 0.0
                        order = logp[b].argsort(descending=True).tolist()
                        for j, v in enumerate(order):
                            total += logp[b, v].exp().item()
                            if total >= top_p:
                                z[b, order[j + 1:]] = -torch.inf
                                break
                z = z + gumbel(z, generator)
            tok = z.argmax(1)
            if eos_token_id is not None:
                for b, e in enumerate(ended):
                    if e:
                        tok[b] = eos_token_id
                    elif tok[b].item() == eos_token_id:
                        ended[b] = True
            idx = torch.cat((idx, tok.unsqueeze(1)), 1)
            if all(ended):
                break
    return idx
