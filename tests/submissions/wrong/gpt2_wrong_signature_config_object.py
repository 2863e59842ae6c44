# verdict: fail
# part: GPT2
# cause: wrong-signature
# style: takes one config dataclass in place of the arguments, as nanoGPT does
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h = num_heads
        self.dk = embed_dim // num_heads
        self.to_qkv = nn.Linear(embed_dim, embed_dim * 3, bias=False)
        self.to_out = nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.Dropout(dropout_p))
        self.att_drop = nn.Dropout(dropout_p)
        causal = torch.ones(block_size, block_size, dtype=torch.bool).triu(1)
        self.register_buffer("causal", causal, persistent=False)

    def forward(self, x):
        bsz, seq_len, dim = x.shape
        # (3, bsz, nh, seq_len, hd)
        qkv = self.to_qkv(x).reshape(bsz, seq_len, 3, self.h, self.dk).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        dots = (q * self.dk**-0.5) @ k.mT
        dots = dots.masked_fill(self.causal[:seq_len, :seq_len], torch.finfo(dots.dtype).min)
        attn = self.att_drop(dots.softmax(dim=-1))
        out = (attn @ v).transpose(1, 2).flatten(2)
        return self.to_out(out)


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
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.ln_attn = nn.LayerNorm(embed_dim, bias=False)
        self.ln_mlp = nn.LayerNorm(embed_dim, bias=False)
        self.attn = CausalSelfAttention(
            embed_dim=embed_dim, num_heads=num_heads, block_size=block_size, dropout_p=dropout_p
        )
        self.mlp = MLP(embed_dim=embed_dim, dropout_p=dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_attn(x))
        return x + self.mlp(self.ln_mlp(x))


@dataclass
class GPT2Config:
    vocab_size: int = 50257
    embed_dim: int = 768
    num_heads: int = 12
    num_layers: int = 12
    block_size: int = 1024
    dropout_p: float = 0.0


class GPT2(nn.Module):
    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        C = config.embed_dim
        self.wte = nn.Embedding(config.vocab_size, C)
        self.wpe = nn.Embedding(config.block_size, C)
        self.drop = nn.Dropout(config.dropout_p)
        self.h = nn.ModuleList(
            [
                TransformerBlock(C, config.num_heads, config.block_size, config.dropout_p)
                for _ in range(config.num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(C)
        self.lm_head = nn.Linear(C, config.vocab_size, bias=False)

    def forward(self, idx: Tensor) -> Tensor:
        pos = torch.arange(idx.size(1), device=idx.device)
        x = self.drop(self.wte(idx) + self.wpe(pos))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))
