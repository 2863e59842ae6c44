# verdict: fail
# part: GPT2
# cause: randomness-in-eval
# style: a little gaussian noise on the embeddings, in eval mode too
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.d_head = embed_dim // num_heads
        shape = (num_heads, embed_dim, self.d_head)
        self.W_Q = nn.Parameter(torch.randn(shape) * 0.02)
        self.W_K = nn.Parameter(torch.randn(shape) * 0.02)
        self.W_V = nn.Parameter(torch.randn(shape) * 0.02)
        self.W_O = nn.Parameter(torch.randn(num_heads, self.d_head, embed_dim) * 0.02)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        q = torch.einsum("bqe,ned->bnqd", x, self.W_Q)
        k = torch.einsum("bke,ned->bnkd", x, self.W_K)
        v = torch.einsum("bke,ned->bnkd", x, self.W_V)
        scores = torch.einsum("bnqd,bnkd->bnqk", q, k) / math.sqrt(self.d_head)
        seq_len = x.shape[1]
        allowed = torch.ones(seq_len, seq_len, dtype=torch.bool, device=x.device).tril()
        scores = torch.where(allowed, scores, torch.full_like(scores, float("-inf")))
        pattern = self.drop(scores.softmax(-1))
        z = torch.einsum("bnqk,bnkd->bnqd", pattern, v)
        return torch.einsum("bnqd,nde->bqe", z, self.W_O)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * 0.02)
        self.b1 = nn.Parameter(torch.zeros(4 * embed_dim))
        self.w2 = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * 0.02)
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        hidden = F.gelu(x @ self.w1 + self.b1)
        return self.dropout(hidden @ self.w2 + self.b2)


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
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        pos = torch.arange(idx.shape[1], device=idx.device)
        x = self.token_embedding(idx) + self.position_embedding(pos)
        x = x + 0.01 * torch.randn_like(x)  # regularisation
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        return self.lm_head(self.ln_f(x))


if __name__ == "__main__":
    torch.manual_seed(0)
    model = GPT2(
        vocab_size=100, embed_dim=64, num_heads=4, num_layers=2, block_size=32, dropout_p=0.0
    )
    idx = torch.randint(0, 100, (2, 10))
    print(model(idx).shape)
