# verdict: fail
# part: GPT2
# cause: double-residual
# style: a long skip: the embeddings are added once more after the stack
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.h = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        pos = torch.arange(idx.shape[1], device=idx.device)
        emb = self.drop(self.wte(idx) + self.wpe(pos))
        x = emb + self.h(emb)
        return self.lm_head(self.ln_f(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.layer_norm_1 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.self_attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.layer_norm_2 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        # attention branch
        residual = x
        x = self.layer_norm_1(x)
        x = self.self_attention(x)
        x = residual + x

        # feed-forward branch
        residual = x
        x = self.layer_norm_2(x)
        x = self.mlp(x)
        return residual + x


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


class MLP(nn.Module):
    """Position-wise feed-forward: C -> 4C -> C."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        hidden = 4 * embed_dim
        self.fc1 = nn.Linear(embed_dim, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, embed_dim, bias=False)
        self.p = dropout_p

    def forward(self, x):
        x = self.fc2(F.gelu(self.fc1(x), approximate="tanh"))
        return F.dropout(x, p=self.p, training=self.training)


def main():
    model = GPT2(vocab_size=50, embed_dim=16, num_heads=2, num_layers=2, block_size=8)
    print(sum(p.numel() for p in model.parameters()), "parameters")


if __name__ == "__main__":
    main()
