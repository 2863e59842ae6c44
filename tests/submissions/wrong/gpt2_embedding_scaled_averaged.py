# verdict: fail
# part: GPT2
# cause: embedding-scaled
# style: token and position embeddings are averaged in place of added
import math

import torch
from torch import nn
from torch.nn import functional as F


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            for _ in range(num_layers)
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        pos = self.pos(torch.arange(idx.shape[1], device=idx.device)).expand(idx.shape[0], -1, -1)
        x = torch.stack([self.tok(idx), pos]).mean(dim=0)
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p=dropout_p)
        self.mlp = MLP(embed_dim, dropout_p=dropout_p)
        self.g1 = nn.Parameter(torch.ones(embed_dim))
        self.b1 = nn.Parameter(torch.zeros(embed_dim))
        self.g2 = nn.Parameter(torch.ones(embed_dim))
        self.b2 = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, x):
        shape = x.shape[-1:]
        x = x + self.attn(F.layer_norm(x, shape, self.g1, self.b1))
        x = x + self.mlp(F.layer_norm(x, shape, self.g2, self.b2))
        return x


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.lin_in = nn.Linear(embed_dim, 4 * embed_dim)
        self.lin_out = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        a = self.lin_in(x)
        a = a * 0.5 * (1.0 + torch.erf(a / math.sqrt(2.0)))  # exact GELU
        return self.dropout(self.lin_out(a))


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
        length = x.shape[1]
        allowed = torch.ones(length, length, dtype=torch.bool, device=x.device).tril()
        scores = torch.where(allowed, scores, torch.full_like(scores, float("-inf")))
        pattern = self.drop(scores.softmax(-1))
        z = torch.einsum("bnqk,bnkd->bnqd", pattern, v)
        return torch.einsum("bnqd,nde->bqe", z, self.W_O)


def main():
    model = GPT2(vocab_size=50, embed_dim=16, num_heads=2, num_layers=2, block_size=8)
    print(sum(p.numel() for p in model.parameters()), "parameters")


if __name__ == "__main__":
    main()
