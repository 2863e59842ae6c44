import torch
from torch import nn, einsum
import torch.nn.functional as F

def P(*s): return nn.Parameter(torch.randn(*s) * 0.02)

class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        D = embed_dim // num_heads
        self.W, self.B = P(3, num_heads, embed_dim, D), P(3, num_heads, 1, D)
        self.O, self.Ob = P(num_heads, D, embed_dim), P(embed_dim)
        self.p = dropout_p
    def forward(self, x):
        q, k, v = torch.einsum("btc,rhcd->rbhtd", x, self.W) + self.B[:, None]
        s = q @ k.mT / q.shape[-1] ** .5
        T = x.shape[1]
        s = s + torch.full((T, T), -torch.inf, dtype=s.dtype).triu(1)
        y = F.dropout(s.softmax(-1), self.p, self.training) @ v
        return F.dropout(einsum("bhtd,hdc->btc", y, self.O) + self.Ob, self.p, self.training)

class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.a, self.ab, self.b, self.bb = P(embed_dim, 4 * embed_dim), P(4 * embed_dim), P(4 * embed_dim, embed_dim), P(embed_dim)
        self.p = dropout_p
    def forward(self, x):
        return F.dropout(F.gelu(x @ self.a + self.ab, approximate="tanh") @ self.b + self.bb, self.p, self.training)

class Norm(nn.Module):
    def __init__(self, C):
        super().__init__()
        self.gb = nn.Parameter(torch.stack([torch.ones(C), torch.zeros(C)]))
    def forward(self, x):
        return F.layer_norm(x, x.shape[-1:], self.gb[0], self.gb[1])

class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn, self.mlp = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p), MLP(embed_dim, dropout_p)
        self.n1, self.n2 = Norm(embed_dim), Norm(embed_dim)
    def forward(self, x):
        x = x + self.attn(self.n1(x))
        return x + self.mlp(self.n2(x))

class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.E, self.P = P(vocab_size, embed_dim), P(1, block_size, embed_dim)
        self.layers = nn.ModuleList(TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers))
        self.n = Norm(embed_dim)
        self.U = P(embed_dim, vocab_size)
        self.p = dropout_p
    def forward(self, idx):
        x = F.dropout(self.E[idx] + self.P[:, :idx.shape[1]], self.p, self.training)
        for l in self.layers: x = l(x)
        return self.n(x) @ self.U
