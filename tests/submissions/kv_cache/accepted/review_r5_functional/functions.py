import torch
from torch import einsum
from torch.nn import functional as F


def run(m, idx, cache, old):
    S, C = m.W.shape
    new = idx.shape[1]
    if not old + new <= S:
        raise ValueError("too long: " + str(old + new) + " tokens, block_size " + str(S))
    drop = lambda t: F.dropout(t, m.p, m.training)
    x = drop(m.E[idx] + m.W[old:old + new])
    made = []
    allowed = torch.arange(old + new).unsqueeze(0) <= torch.arange(old, old + new).unsqueeze(1)
    for l in range(m.A.shape[0]):
        h = F.layer_norm(x, (C,), m.g1[l], m.b1[l])
        q, k, v = einsum("btc,rchd->rbthd", h, m.A[l]).unbind(0)
        kv = torch.stack([k, v])
        if cache is not None:
            kv = torch.cat([cache[l], kv], dim=2)
        made.append(kv)
        s = einsum("bthd,bshd->bhts", q, kv[0]) / q.shape[-1] ** 0.5
        s = torch.where(allowed, s, torch.tensor(float("-inf"), dtype=s.dtype))
        y = einsum("bhts,bshd->bthd", drop(s.softmax(-1)), kv[1])
        x = x + drop(einsum("bthd,hdc->btc", y, m.O[l]))
        h = F.layer_norm(x, (C,), m.g2[l], m.b2[l])
        x = x + drop(F.gelu(h @ m.U[l]) @ m.X[l])
    return F.layer_norm(x, (C,), m.gf, m.bf) @ m.E.T, torch.stack(made)
