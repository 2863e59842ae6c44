# verdict: fail
# part: MLP
# cause: mutates-input
# style: overwrites x token by token to save memory; fused qkv Linear
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class LayerNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))
        self.beta = nn.Parameter(torch.zeros(dim))
        self.eps = eps

    def forward(self, x):
        mu = x.mean(-1, keepdim=True)
        var = ((x - mu) ** 2).mean(-1, keepdim=True)
        return self.gamma * (x - mu) / torch.sqrt(var + self.eps) + self.beta


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        assert embed_dim % num_heads == 0
        self.nh = num_heads
        self.head_size = embed_dim // num_heads
        self.to_qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.to_out = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.out_drop = nn.Dropout(dropout_p)
        mask = torch.tril(torch.ones(block_size, block_size))
        self.register_buffer("causal_mask", mask.view(1, 1, block_size, block_size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        q, k, v = self.to_qkv(x).split(C, dim=2)
        q = q.view(B, T, self.nh, self.head_size).transpose(1, 2)
        k = k.view(B, T, self.nh, self.head_size).transpose(1, 2)
        v = v.view(B, T, self.nh, self.head_size).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) / math.sqrt(self.head_size)
        att = att.masked_fill(self.causal_mask[:, :, :T, :T] == 0, float("-inf"))
        att = self.drop(F.softmax(att, dim=-1))
        y = (att @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.out_drop(self.to_out(y))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # the hidden layer is four times as wide: one position at a time keeps it small
        for t in range(x.size(1)):
            x[:, t] = self.net(x[:, [t]]).squeeze(1)
        return x


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.ln1, self.ln2 = LayerNorm(embed_dim), LayerNorm(embed_dim)
        self.sa = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p=dropout_p)
        self.ffwd = MLP(embed_dim, dropout_p=dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.sa(self.ln1(x))
        x = x + a
        m = self.ffwd(self.ln2(x))
        return x + m


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
        self.vocab = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.where = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln = nn.LayerNorm(embed_dim)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = F.embedding(idx, self.vocab) + self.where[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln(x), self.vocab)  # the head shares the embedding matrix
