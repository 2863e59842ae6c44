# verdict: pass
# style: as in C: one flat block of memory a module, offsets into it, loops over heads and time
import math
import torch
import torch.nn as nn


def take(mem, off, *shape):
    """a view of mem at off, and the offset after it"""
    n = math.prod(shape)
    return mem[off:off + n].view(*shape), off + n


def layernorm(inp, w, b):
    C = inp.size(-1)
    m = inp.sum(-1, keepdim=True) / C
    d = inp - m
    rstd = 1.0 / torch.sqrt((d * d).sum(-1, keepdim=True) / C + 1e-5)
    return d * rstd * w + b


def dropout(inp, p, training):
    if not training or p == 0.0:
        return inp
    if p == 1.0:
        return inp * 0.0
    keep = (torch.rand_like(inp) >= p).to(inp.dtype)
    return inp * keep / (1.0 - p)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        C = embed_dim
        self.C, self.NH, self.HS, self.p = C, num_heads, C // num_heads, dropout_p
        # layout: wq wk wv wo (C*C each), then bq bk bv bo (C each)
        mem = torch.zeros(4 * C * C + 4 * C)
        mem[: 4 * C * C].normal_(0.0, 0.02)
        self.mem = nn.Parameter(mem)

    def forward(self, x):
        B, T, C = x.shape
        NH, HS, off = self.NH, self.HS, 0
        wq, off = take(self.mem, off, C, C)
        wk, off = take(self.mem, off, C, C)
        wv, off = take(self.mem, off, C, C)
        wo, off = take(self.mem, off, C, C)
        bq, off = take(self.mem, off, C)
        bk, off = take(self.mem, off, C)
        bv, off = take(self.mem, off, C)
        bo, off = take(self.mem, off, C)
        q = x @ wq.t() + bq
        k = x @ wk.t() + bk
        v = x @ wv.t() + bv
        out = torch.empty_like(q)
        scale = 1.0 / math.sqrt(HS)
        for h in range(NH):
            lo, hi = h * HS, (h + 1) * HS
            for t in range(T):
                # query t against keys 0..t; the future is never read
                s = (k[:, : t + 1, lo:hi] * q[:, t : t + 1, lo:hi]).sum(-1) * scale
                e = torch.exp(s - s.max(dim=1, keepdim=True).values)
                a = dropout(e / e.sum(dim=1, keepdim=True), self.p, self.training)
                out[:, t, lo:hi] = (a.unsqueeze(-1) * v[:, : t + 1, lo:hi]).sum(1)
        return dropout(out @ wo.t() + bo, self.p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        C = embed_dim
        # layout: w1 (4C*C) b1 (4C) w2 (C*4C) b2 (C)
        self.p = dropout_p
        self.mem = nn.Parameter(torch.randn(8 * C * C + 5 * C) * 0.02)

    def forward(self, x):
        C, off = x.size(-1), 0
        w1, off = take(self.mem, off, 4 * C, C)
        b1, off = take(self.mem, off, 4 * C)
        w2, off = take(self.mem, off, C, 4 * C)
        b2, off = take(self.mem, off, C)
        h = x @ w1.t() + b1
        cube = 0.044715 * h * h * h
        h = 0.5 * h * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (h + cube)))
        return dropout(h @ w2.t() + b2, self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = nn.Parameter(torch.stack([torch.ones(embed_dim), torch.zeros(embed_dim)]))
        self.ln2 = nn.Parameter(torch.stack([torch.ones(embed_dim), torch.zeros(embed_dim)]))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        residual2 = x + self.attn(layernorm(x, self.ln1[0], self.ln1[1]))
        residual3 = residual2 + self.mlp(layernorm(residual2, self.ln2[0], self.ln2[1]))
        return residual3


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.wpe = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.lnf = nn.Parameter(torch.stack([torch.ones(embed_dim), torch.zeros(embed_dim)]))
        self.L = num_layers
        for l in range(num_layers):
            block = TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            setattr(self, "block%d" % l, block)

    def forward(self, idx):
        T = idx.size(1)
        acts = self.wte[idx] + self.wpe[0:T]
        for l in range(self.L):
            acts = getattr(self, "block%d" % l)(acts)
        acts = layernorm(acts, self.lnf[0], self.lnf[1])
        return acts @ self.wte.t()
