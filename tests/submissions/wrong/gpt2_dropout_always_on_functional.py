# verdict: fail
# part: GPT2
# cause: dropout-always-on
# style: F.dropout on the embeddings without the training flag
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, 4 * embed_dim)
        self.down = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.down(gelu(self.up(x))))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.in_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        N, L, E = x.shape
        H, Dh = self.num_heads, self.head_dim

        def fold(z):  # heads go into the batch
            z = z.reshape(N, L, H, Dh).transpose(1, 2)
            return z.reshape(N * H, L, Dh)

        q, k, v = (fold(z) for z in self.in_proj(x).split(E, dim=-1))
        w = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(Dh)
        keep = torch.ones(L, L, device=x.device).tril().bool()
        w = w.masked_fill(~keep, float("-inf"))
        w = self.dropout(F.softmax(w, dim=2))
        y = torch.bmm(w, v).view(N, H, L, Dh)
        y = y.transpose(1, 2).reshape(N, L, E)
        return self.dropout(self.out_proj(y))


class Residual(nn.Module):
    """x + fn(norm(x))"""

    def __init__(self, dim, fn):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x):
        return x + self.fn(self.norm(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.attention = Residual(embed_dim, attention)
        self.mlp = Residual(embed_dim, MLP(embed_dim, dropout_p))

    def forward(self, x):
        return self.mlp(self.attention(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.dropout_p = dropout_p
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        pos = torch.arange(idx.shape[1], device=idx.device)
        x = self.token_embedding(idx) + self.position_embedding(pos)
        x = F.dropout(x, p=self.dropout_p)
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))


if __name__ == "__main__":
    torch.manual_seed(0)
    model = GPT2(
        vocab_size=100, embed_dim=64, num_heads=4, num_layers=2, block_size=32, dropout_p=0.0
    )
    idx = torch.randint(0, 100, (2, 10))
    print(model(idx).shape)
