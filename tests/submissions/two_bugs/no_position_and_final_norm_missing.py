# verdict: fail
# part: GPT2
# causes: no-position final-norm-missing
# style: wpe and ln_f stand in the constructor and nowhere else; fused projection split three ways
import math

import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        assert embed_dim % num_heads == 0, "embed_dim must be a multiple of num_heads"
        self.n_head = num_heads
        self.qkv_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.o_proj = nn.Linear(embed_dim, embed_dim)
        self.attn_pdrop = nn.Dropout(dropout_p)
        self.resid_pdrop = nn.Dropout(dropout_p)
        self.register_buffer("causal", torch.ones(block_size, block_size).tril()[None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        q, k, v = self.qkv_proj(x).tensor_split(3, dim=-1)
        q, k, v = [z.view(B, T, self.n_head, -1).permute(0, 2, 1, 3) for z in (q, k, v)]
        att = torch.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(q.shape[-1])
        att = att.masked_fill(self.causal[..., :T, :T].eq(0), -1e9)
        att = self.attn_pdrop(torch.softmax(att, -1))
        out = torch.einsum("bhqk,bhkd->bqhd", att, v).reshape(B, T, C)
        return self.resid_pdrop(self.o_proj(out))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        self.net = nn.ModuleDict(
            {
                "in": nn.Linear(embed_dim, 4 * embed_dim),
                "act": nn.GELU(),
                "out": nn.Linear(4 * embed_dim, embed_dim),
                "drop": nn.Dropout(dropout_p),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.net.values():
            x = layer(x)
        return x


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.pre_attn = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.pre_mlp = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.pre_attn(x))
        x = x + self.mlp(self.pre_mlp(x))
        return x


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.h = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.drop(self.wte(idx))
        for block in self.h:
            x = block(x)
        logits = self.lm_head(x)
        return logits
