# verdict: fail
# part: TransformerBlock
# cause: post-norm
# style: a SublayerConnection class that norms last; Conv1D as in the original code
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class Conv1D(nn.Module):
    def __init__(self, nf, nx):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nx, nf).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.size(-1)), self.weight).view(
            *x.shape[:-1], self.weight.size(1)
        )


class MLP(nn.Module):
    """Two linear layers with a GELU in between."""

    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        std = embed_dim**-0.5
        self.w_up = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * std)
        self.w_down = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * std / 2)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.einsum("btc,fc->btf", x, self.w_up)
        h = F.gelu(h, approximate="tanh")
        return self.drop(torch.einsum("btf,cf->btc", h, self.w_down))


class CausalSelfAttention(nn.Module):
    """Masked multi-head self-attention."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_head = num_heads
        self.split_size = embed_dim
        self.c_attn = Conv1D(3 * embed_dim, embed_dim)
        self.c_proj = Conv1D(embed_dim, embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.resid_dropout = nn.Dropout(dropout_p)
        self.register_buffer(
            "bias", torch.ones(block_size, block_size, dtype=torch.bool).tril(), persistent=False
        )

    def _attn(self, q, k, v):
        w = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(v.size(-1))
        n = w.size(-1)
        w = w.masked_fill(~self.bias[:n, :n], -1e9)
        w = self.attn_dropout(w.softmax(-1))
        return torch.matmul(w, v)

    def _heads(self, t):
        return t.view(*t.shape[:-1], self.n_head, t.size(-1) // self.n_head).permute(0, 2, 1, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.c_attn(x).split(self.split_size, dim=2)
        a = self._attn(self._heads(q), self._heads(k), self._heads(v))
        a = a.permute(0, 2, 1, 3).reshape(x.shape)
        return self.resid_dropout(self.c_proj(a))


class SublayerConnection(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.norm = nn.LayerNorm(size)

    def forward(self, x, sublayer):
        return self.norm(x + sublayer(x))


class TransformerBlock(nn.Module):
    """One pre-norm transformer block."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.self_attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)
        self.sublayer = nn.ModuleList([SublayerConnection(embed_dim) for _ in range(2)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.sublayer[0](x, self.self_attn)
        return self.sublayer[1](x, self.feed_forward)


class GPT2(nn.Module):
    """Decoder-only language model; returns raw logits."""

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

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        b, t = idx.size()
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        tok_emb = self.transformer.wte(idx)  # (b, t, embed_dim)
        pos_emb = self.transformer.wpe(pos)  # (t, embed_dim)
        x = self.transformer.drop(tok_emb + pos_emb)
        for block in self.transformer.h:
            x = block(x)
        x = self.transformer.ln_f(x)
        return self.lm_head(x)
