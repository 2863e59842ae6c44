# verdict: pass
# style: nn.Parameter and @ only, no biases; softmax by hand (exp minus max); GELU by hand with erf
import math
import torch
import torch.nn as nn


def init(*shape):
    return nn.Parameter(torch.randn(*shape) / math.sqrt(shape[0]))


def softmax(z):
    z = z - z.max(dim=-1, keepdim=True).values
    e = torch.exp(z)
    return e / e.sum(dim=-1, keepdim=True)


def gelu(z):
    return z * 0.5 * (1.0 + torch.erf(z / math.sqrt(2.0)))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n = num_heads
        self.Wq = init(embed_dim, embed_dim)
        self.Wk = init(embed_dim, embed_dim)
        self.Wv = init(embed_dim, embed_dim)
        self.Wo = init(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        d = C // self.n
        Q = (x @ self.Wq).view(B, T, self.n, d).transpose(1, 2)
        K = (x @ self.Wk).view(B, T, self.n, d).transpose(1, 2)
        V = (x @ self.Wv).view(B, T, self.n, d).transpose(1, 2)
        S = Q @ K.transpose(-1, -2) / math.sqrt(d)
        S = S + torch.triu(torch.full((T, T), -1e9, dtype=x.dtype, device=x.device), 1)
        A = self.drop(softmax(S))
        return self.drop((A @ V).transpose(1, 2).reshape(B, T, C) @ self.Wo)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.W1 = init(embed_dim, 4 * embed_dim)
        self.W2 = init(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(gelu(x @ self.W1) @ self.W2)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim)
        self.ln2 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attention(self.ln1(x))
        x = x + self.mlp(self.ln2(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.E = nn.Parameter(torch.randn(vocab_size, embed_dim))
        self.P = nn.Parameter(torch.randn(block_size, embed_dim))
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln = nn.LayerNorm(embed_dim)
        self.U = init(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.E[idx] + self.P[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.ln(x) @ self.U
