# verdict: fail
# part: CausalSelfAttention
# cause: state-kept-between-calls
# style: the mask is cached at the length of the first call; longer sequences fail after it

"""A small GPT-2: attention, MLP, block, model."""

import torch
import torch.nn as nn


class GPT2(nn.Module):
    """Decoder-only language model; returns raw logits (B, T, vocab_size)."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.out = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        T = idx.size(1)
        x = self.tok(idx) + self.pos(torch.arange(T, device=idx.device))[None]
        x = self.blocks(x)
        x = self.norm(x)
        return self.out(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.weight1 = nn.Parameter(torch.ones(embed_dim))
        self.bias1 = nn.Parameter(torch.zeros(embed_dim))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.weight2 = nn.Parameter(torch.ones(embed_dim))
        self.bias2 = nn.Parameter(torch.zeros(embed_dim))
        self.mlp = MLP(embed_dim, dropout_p)

    @staticmethod
    def _norm(x, weight, bias):
        centred = x - x.mean(dim=-1, keepdim=True)
        var = x.var(dim=-1, keepdim=True, unbiased=False)
        return centred * torch.rsqrt(var + 1e-5) * weight + bias

    def forward(self, x):
        x = x + self.attn(self._norm(x, self.weight1, self.bias1))
        x = x + self.mlp(self._norm(x, self.weight2, self.bias2))
        return x


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.c_fc(x)
        x = self.gelu(x)
        x = self.c_proj(x)
        return self.dropout(x)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.out = nn.Linear(embed_dim, embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.resid_dropout = nn.Dropout(dropout_p)
        self._mask = None

    def mask(self, T: int, device) -> torch.Tensor:
        if self._mask is None:
            self._mask = torch.ones(T, T, device=device).triu(diagonal=1).bool()
        return self._mask[:T, :T]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        D = C // self.num_heads
        q = self.query(x).view(B, T, self.num_heads, D).transpose(1, 2)
        k = self.key(x).view(B, T, self.num_heads, D).transpose(1, 2)
        v = self.value(x).view(B, T, self.num_heads, D).transpose(1, 2)
        scores = (q @ k.transpose(-2, -1)).div(D**0.5)
        scores = scores.masked_fill(self.mask(T, x.device), float("-inf"))
        weights = self.attn_dropout(scores.softmax(-1))
        y = (weights @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.resid_dropout(self.out(y))
