# verdict: pass
# style: of a review, inplace
import torch
from torch import nn
import math
def _check(cond, msg):
    if not cond:
        raise ValueError(msg)

def _filter(logits, top_k, top_p):
    V = logits.size(-1)
    order = torch.argsort(logits, dim=-1, descending=True, stable=True)
    inv = order.argsort(-1)
    s = logits.gather(-1, order)
    if top_k is not None and top_k < V:
        s[:, top_k:] = -math.inf
    if top_p is not None:
        p = s.softmax(-1)
        shifted = torch.nn.functional.pad(p.cumsum(-1)[:, :-1], (1, 0))
        s[shifted >= top_p] = -math.inf
    return s.gather(-1, inv)

def generate(model, idx, max_new_tokens, *, block_size, temperature=1.0, top_k=None, top_p=None, eos_token_id=None, generator=None):
    _check(idx.ndim == 2 and idx.shape[-1] > 0, "idx: need (B, T), T >= 1")
    _check(temperature >= 0, "temperature: need >= 0")
    _check(top_k is None or top_k > 0, "top_k: need >= 1")
    _check(top_p is None or 0 < top_p <= 1, "top_p: need 0 < top_p <= 1")
    _check(max_new_tokens >= 0, "max_new_tokens: need >= 0")
    if max_new_tokens == 0:
        return idx
    finished = torch.zeros(len(idx), 1, dtype=torch.bool, device=idx.device)
    pieces = [idx]
    window = idx[:, -block_size:]
    grad = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    try:
        for _ in range(max_new_tokens):
            logits = model(window)[:, -1]
            if temperature:
                logits.div_(temperature)
                logits.copy_(_filter(logits, top_k, top_p))
                nxt = logits.softmax(-1).multinomial(1, generator=generator)
            else:
                nxt = logits.argmax(-1, keepdim=True)
            if eos_token_id is not None:
                nxt.masked_fill_(finished, eos_token_id)
                finished |= nxt == eos_token_id
            pieces.append(nxt)
            window = torch.cat((window, nxt), 1)[:, -block_size:]
            if eos_token_id is not None and bool(finished.all()):
                break
    finally:
        torch.set_grad_enabled(grad)
    return torch.cat(pieces, 1)
