# verdict: pass
# style: of a review, r5 functional
# einsum all the way; the cache is one tensor (L, 2, B, P, H, D)
import torch
from torch import nn, einsum
from torch.nn import functional as F
import functions as fn


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        V, C, H, L, S = vocab_size, embed_dim, num_heads, num_layers, block_size
        D = C // H
        P = lambda *s: nn.Parameter(torch.randn(*s) * 0.02)
        self.E, self.W = P(V, C), P(S, C)
        self.g1, self.b1 = nn.Parameter(torch.ones(L, C)), nn.Parameter(torch.zeros(L, C))
        self.g2, self.b2 = nn.Parameter(torch.ones(L, C)), nn.Parameter(torch.zeros(L, C))
        self.gf, self.bf = nn.Parameter(torch.ones(C)), nn.Parameter(torch.zeros(C))
        self.A = P(L, 3, C, H, D)
        self.O = P(L, H, D, C)
        self.U, self.X = P(L, C, 4 * C), P(L, 4 * C, C)
        self.p = dropout_p

    def forward(self, idx, cache=None):
        old = 0 if cache is None else cache.shape[3]
        return fn.run(self, idx, cache, old)
