# verdict: fail
# part: GPT2
# cause: num-layers-plus-one
# style: counts the layers from 0 to num_layers inclusive
import math

import torch
import torch.nn.functional as F
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads, self.dropout_p = num_heads, dropout_p
        std = embed_dim**-0.5
        self.w_qkv = nn.Parameter(std * torch.randn(embed_dim, 3 * embed_dim))
        self.b_qkv = nn.Parameter(torch.zeros(3 * embed_dim))
        self.w_out = nn.Parameter(std * torch.randn(embed_dim, embed_dim))
        self.b_out = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, x):
        b, t, c = x.shape
        h, d = self.num_heads, c // self.num_heads
        qkv = (x @ self.w_qkv + self.b_qkv).view(b, t, 3 * h, d)
        q, k, v = qkv.transpose(1, 2).chunk(3, dim=1)
        att = q @ k.transpose(-1, -2) / d**0.5
        minus_inf = torch.full_like(att, -math.inf)
        att = att + minus_inf.triu(1)
        att = F.dropout(att.softmax(-1), self.dropout_p, self.training)
        y = (att @ v).transpose(1, 2).reshape(b, t, c)
        return F.dropout(y @ self.w_out + self.b_out, self.dropout_p, self.training)


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
        self.tok_embed = nn.Embedding(vocab_size, embed_dim)
        self.pos_embed = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential()
        for i in range(0, num_layers + 1):
            block = TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            self.blocks.add_module(f"block{i}", block)
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        pos = torch.arange(idx.shape[1], device=idx.device)
        x = self.tok_embed(idx) + self.pos_embed(pos)
        x = self.blocks(x)
        return self.lm_head(self.ln_f(x))
