# verdict: fail
# part: Pieces
# cause: cache-keys-for-values
# style: one tensor, keys kept twice
import math

import torch
from torch import nn


def norm(x, g, b, eps=1e-6):
    m = x.mean(-1, keepdim=True)
    s = (x - m).pow(2).mean(-1, keepdim=True)
    return (x - m) * torch.rsqrt(s + eps) * g + b


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        V, C, H, L, N = vocab_size, embed_dim, num_heads, num_layers, block_size
        D = C // H
        self.rate, self.limit = dropout_p, N

        def weights(*shape):
            return nn.Parameter(torch.randn(*shape) * 0.05)

        self.wte, self.wpe = weights(V, C), weights(N, C)
        self.g1, self.g2 = nn.Parameter(torch.ones(L, C)), nn.Parameter(torch.ones(L, C))
        self.b1, self.b2 = nn.Parameter(torch.zeros(L, C)), nn.Parameter(torch.zeros(L, C))
        self.qkv, self.qkv_bias = weights(L, C, 3, H, D), nn.Parameter(torch.zeros(L, 3, H, D))
        self.out, self.out_bias = weights(L, H, D, C), nn.Parameter(torch.zeros(L, C))
        self.up, self.up_bias = weights(L, C, 4 * C), nn.Parameter(torch.zeros(L, 4 * C))
        self.down, self.down_bias = weights(L, 4 * C, C), nn.Parameter(torch.zeros(L, C))
        self.gf, self.bf = nn.Parameter(torch.ones(C)), nn.Parameter(torch.zeros(C))

    def drop(self, x):
        return torch.dropout(x, self.rate, self.training)

    def forward(self, idx, cache=None):
        T = idx.size(1)
        P = 0 if cache is None else cache.size(4)
        if P + T > self.limit:
            raise ValueError("too long: %d tokens after %d, and room for %d" % (T, P, self.limit))
        x = self.drop(self.wte[idx] + self.wpe[P:P + T])
        presents = []
        for i in range(len(self.g1)):
            u = norm(x, self.g1[i], self.b1[i])
            q, k, v = torch.einsum("btc,crhd->rbhtd", u, self.qkv[i]) + self.qkv_bias[i][:, None, :, None]
            kv = torch.stack([k, v])
            if P:
                kv = torch.cat([cache[i], kv], 3)
            presents.append(torch.stack([kv[0], kv[0]]))
            k, v = kv
            a = torch.einsum("bhtd,bhsd->bhts", q, k) / math.sqrt(q.size(-1))
            late = torch.arange(P + T)[None, :] > torch.arange(P, P + T)[:, None]
            a = self.drop((a + late.to(a) * -1e9).softmax(-1))
            y = torch.einsum("bhts,bhsd,hdc->btc", a, v, self.out[i]) + self.out_bias[i]
            x = x + self.drop(y)
            h = gelu(norm(x, self.g2[i], self.b2[i]) @ self.up[i] + self.up_bias[i])
            x = x + self.drop(h @ self.down[i] + self.down_bias[i])
        return norm(x, self.gf, self.bf) @ self.wte.T, torch.stack(presents)
