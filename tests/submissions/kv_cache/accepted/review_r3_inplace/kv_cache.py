# verdict: pass
# style: of a review, r3 inplace
"""Preallocated buffers, written in place; copied only when somebody already wrote past us."""
import torch
from torch import nn
import torch.nn.functional as F


class Store:
    """Room for block_size keys and values in each layer. `used` is the high-water mark."""

    def __init__(self, layers, B, H, S, D, like):
        self.k = like.new_empty(layers, B, H, S, D)
        self.v = like.new_empty(layers, B, H, S, D)
        self.used = 0

    def fork(self, n):
        other = object.__new__(Store)
        other.k, other.v, other.used = self.k.detach().clone(), self.v.detach().clone(), n
        return other


class View:
    def __init__(self, store, length):
        self.store, self.length = store, length


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.H, self.S, self.L, self.p = num_heads, block_size, num_layers, dropout_p
        C = embed_dim
        self.tok = nn.Embedding(vocab_size, C)
        self.pos = nn.Parameter(torch.randn(block_size, C) * 0.02)
        mk = lambda i, o: nn.ModuleList(nn.Linear(i, o) for _ in range(num_layers))
        self.q, self.k, self.v, self.o = mk(C, C), mk(C, C), mk(C, C), mk(C, C)
        self.up, self.down = mk(C, 4 * C), mk(4 * C, C)
        self.ln1 = nn.ModuleList(nn.LayerNorm(C) for _ in range(num_layers))
        self.ln2 = nn.ModuleList(nn.LayerNorm(C) for _ in range(num_layers))
        self.lnf = nn.LayerNorm(C)

    def d(self, x):
        return F.dropout(x, self.p, self.training)

    def forward(self, idx, cache=None):
        B, T = idx.shape
        C = self.tok.weight.shape[1]
        H, D = self.H, C // self.H
        P = cache.length if cache is not None else 0
        if P + T > self.S:
            raise ValueError(f"block_size is {self.S}: {P} tokens are in the cache, {T} more do not fit")
        grad = torch.is_grad_enabled()
        if cache is None:
            store = Store(self.L, B, H, self.S, D, self.pos.detach())
        elif cache.store.used != P:
            store = cache.store.fork(P)
        else:
            store = cache.store
        x = self.d(self.tok(idx) + self.pos[P:P + T])
        news = []
        hide = torch.arange(P + T)[None, :] > torch.arange(P, P + T)[:, None]
        for i in range(self.L):
            h = self.ln1[i](x)
            q, k, v = (f[i](h).view(B, T, H, D).transpose(1, 2) for f in (self.q, self.k, self.v))
            # past from the buffer, new tokens with their gradients
            K = torch.cat([store.k[i, :, :, :P].clone(), k], 2)
            V = torch.cat([store.v[i, :, :, :P].clone(), v], 2)
            news.append((k.detach(), v.detach()))
            s = (q @ K.transpose(2, 3)) * D ** -0.5
            s = s.masked_fill(hide, torch.finfo(s.dtype).min)
            y = self.d(s.softmax(-1)) @ V
            x = x + self.d(self.o[i](y.transpose(1, 2).reshape(B, T, C)))
            x = x + self.d(self.down[i](F.gelu(self.up[i](self.ln2[i](x)), approximate="tanh")))
        for i, (k, v) in enumerate(news):
            store.k[i, :, :, P:P + T] = k
            store.v[i, :, :, P:P + T] = v
        store.used = P + T
        return F.linear(self.lnf(x), self.tok.weight), View(store, P + T)
