# verdict: pass
# style: of a review, r9 detached
import torch
import torch.nn as nn
import torch.nn.functional as F


class Attn(nn.Module):
    def __init__(self, d, h, p):
        super().__init__()
        self.h, self.p = h, p
        self.qkv = nn.Linear(d, 3 * d)
        self.o = nn.Linear(d, d)
        self.drop = nn.Dropout(p)

    def forward(self, x, past):
        B, T, C = x.shape
        q, k, v = (t.reshape(B, T, self.h, C // self.h).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        if past is not None:
            k = torch.cat([past[0], k], 2)
            v = torch.cat([past[1], v], 2)
        S = k.shape[2]
        mask = torch.ones(T, S, dtype=torch.bool, device=x.device).tril(S - T)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=self.p if self.training else 0.0)
        return self.drop(self.o(y.transpose(1, 2).reshape(B, T, C))), (k, v)


class Block(nn.Module):
    def __init__(self, d, h, p):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.a = Attn(d, h, p)
        self.m = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d), nn.Dropout(p))

    def forward(self, x, past):
        y, kv = self.a(self.n1(x), past)
        x = x + y
        return x + self.m(self.n2(x)), kv


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList([Block(embed_dim, num_heads, dropout_p) for _ in range(num_layers)])
        self.ln = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx, cache=None):
        T = idx.size(1)
        P = 0 if cache is None else cache[0][0].size(2)
        if P + T > self.block_size:
            raise ValueError(f"{P} past and {T} new tokens exceed block_size={self.block_size}")
        x = self.drop(self.wte(idx) + self.wpe(torch.arange(P, P + T, device=idx.device)))
        new = []
        for i, b in enumerate(self.blocks):
            x, (k, v) = b(x, None if cache is None else cache[i])
            new.append((k.detach(), v.detach()))
        return self.head(self.ln(x)), tuple(new)
