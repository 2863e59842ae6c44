# verdict: fail
# part: GPT2
# cause: logits-only-last-position
# style: the inference shortcut of nanoGPT: head on the last position, as (B, 1, V)
import math

import torch
from torch import Tensor, nn


class CausalSelfAttention(nn.Module):
    """Multi-head masked self-attention, one projection per role."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError("embed_dim must be divisible by num_heads")
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.k_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.v_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.dropout = nn.Dropout(dropout_p)

    def _split(self, x: Tensor) -> Tensor:
        B, T, _ = x.shape
        return x.view(B, T, self.num_heads, self.head_dim).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.shape
        q = self._split(self.q_proj(x))
        k = self._split(self.k_proj(x))
        v = self._split(self.v_proj(x))
        scores = torch.matmul(q, k.transpose(2, 3)) / self.head_dim**0.5
        ones = torch.ones(T, T, dtype=torch.bool, device=x.device)
        future = ones.triu(diagonal=1)
        weights = scores.masked_fill(future, float("-inf")).softmax(dim=-1)
        context = torch.matmul(self.dropout(weights), v)
        context = context.transpose(1, 2).reshape(B, T, C)
        return self.out_proj(context)


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
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocab_size, embed_dim),
                wpe=nn.Embedding(block_size, embed_dim),
                drop=nn.Dropout(dropout_p),
                h=nn.ModuleList(
                    [
                        TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                        for _ in range(num_layers)
                    ]
                ),
                ln_f=nn.LayerNorm(embed_dim),
            )
        )
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight

    def forward(self, idx):
        device = idx.device
        b, t = idx.size()
        pos = torch.arange(0, t, dtype=torch.long, device=device)
        x = self.transformer.drop(self.transformer.wte(idx) + self.transformer.wpe(pos))
        for block in self.transformer.h:
            x = block(x)
        x = self.transformer.ln_f(x)
        # only forward the head on the very last position
        return self.lm_head(x[:, [-1], :])
