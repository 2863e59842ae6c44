# verdict: fail
# part: GPT2
# cause: head-missing
# style: lm_head is there, forward returns the variable before it
import math

import torch
from torch import nn


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
        T = x.shape[1]
        allowed = torch.ones(T, T, dtype=torch.bool, device=x.device).tril()
        scores = torch.where(allowed, scores, torch.full_like(scores, float("-inf")))
        pattern = self.drop(scores.softmax(-1))
        z = torch.einsum("bnqk,bnkd->bnqd", pattern, v)
        return torch.einsum("bnqd,nde->bqe", z, self.W_O)


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


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.sa = nn.Sequential(
            nn.LayerNorm(embed_dim),
            CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
        )
        self.ffwd = nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p))

    def forward(self, x):
        for sublayer in (self.sa, self.ffwd):
            x = x + sublayer(x)
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential(
            *(
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            )
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.tok_emb(idx) + self.pos_emb(torch.arange(idx.shape[1], device=idx.device))
        x = self.blocks(x)
        x = self.ln_f(x)
        logits = self.lm_head(x)
        return x
