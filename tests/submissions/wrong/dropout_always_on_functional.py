# verdict: fail
# part: CausalSelfAttention
# cause: dropout-always-on
# style: F.dropout without the training flag on the attention weights

"""Decoder-only transformer."""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.heads = num_heads
        self.dropout_p = dropout_p
        self.to_queries = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_keys = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_values = nn.Linear(embed_dim, embed_dim, bias=False)
        self.unify = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        b, t, e = x.shape
        h = self.heads
        s = e // h

        # fold heads into the batch dimension
        keys = self.to_keys(x).view(b, t, h, s).transpose(1, 2).reshape(b * h, t, s)
        queries = self.to_queries(x).view(b, t, h, s).transpose(1, 2).reshape(b * h, t, s)
        values = self.to_values(x).view(b, t, h, s).transpose(1, 2).reshape(b * h, t, s)

        dot = torch.bmm(queries / s**0.5, keys.transpose(1, 2))
        rows, cols = torch.triu_indices(t, t, offset=1)
        dot[:, rows, cols] = float("-inf")
        dot = F.softmax(dot, dim=2)
        dot = F.dropout(dot, p=self.dropout_p)

        out = torch.bmm(dot, values).view(b, h, t, s)
        out = out.transpose(1, 2).reshape(b, t, e)
        return self.unify(out)


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            OrderedDict(
                [
                    ("fc_in", nn.Linear(embed_dim, 4 * embed_dim)),
                    ("act", nn.GELU()),
                    ("fc_out", nn.Linear(4 * embed_dim, embed_dim)),
                    ("drop", nn.Dropout(dropout_p)),
                ]
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        return self.layers(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.parts = nn.ModuleDict(
            {
                "ln_a": nn.LayerNorm(embed_dim),
                "attn": CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                "ln_m": nn.LayerNorm(embed_dim),
                "mlp": MLP(embed_dim, dropout_p),
            }
        )

    def forward(self, x):
        p = self.parts
        x = x + p["attn"](p["ln_a"](x))
        return x + p["mlp"](p["ln_m"](x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
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
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, idx):
        b, t = idx.size()
        assert t <= self.block_size
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        tok_emb = self.transformer.wte(idx)
        pos_emb = self.transformer.wpe(pos)
        x = self.transformer.drop(tok_emb + pos_emb)
        for block in self.transformer.h:
            x = block(x)
        x = self.transformer.ln_f(x)
        return self.lm_head(x)
