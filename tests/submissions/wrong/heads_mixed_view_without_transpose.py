# verdict: fail
# part: CausalSelfAttention
# cause: heads-mixed-view
# style: view(B, H, T, d) straight on (B, T, C), no transpose on the way in

"""Decoder-only transformer."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.W_query = nn.Linear(embed_dim, embed_dim, bias=False)
        self.W_key = nn.Linear(embed_dim, embed_dim, bias=False)
        self.W_value = nn.Linear(embed_dim, embed_dim, bias=False)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.register_buffer("mask", torch.triu(torch.ones(block_size, block_size), diagonal=1))

    def forward(self, x):
        b, num_tokens, d = x.shape
        H, D = self.num_heads, self.head_dim
        queries = self.W_query(x).view(b, H, num_tokens, D)
        keys = self.W_key(x).view(b, H, num_tokens, D)
        values = self.W_value(x).view(b, H, num_tokens, D)

        attn_scores = queries @ keys.transpose(2, 3)
        mask_bool = self.mask.bool()[:num_tokens, :num_tokens]
        attn_scores = attn_scores.masked_fill(mask_bool, -torch.inf)
        attn_weights = torch.softmax(attn_scores / D**0.5, dim=-1)
        attn_weights = self.dropout(attn_weights)

        context = (attn_weights @ values).transpose(1, 2).reshape(b, num_tokens, d)
        return self.dropout(self.out_proj(context))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(approximate="tanh"),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.dim = embed_dim
        self.g1 = nn.Parameter(torch.ones(embed_dim))
        self.b1 = nn.Parameter(torch.zeros(embed_dim))
        self.g2 = nn.Parameter(torch.ones(embed_dim))
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.sa = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ff = MLP(embed_dim, dropout_p)

    def forward(self, x):
        h = F.layer_norm(x, (self.dim,), self.g1, self.b1)
        x = x + self.sa(h)
        h = F.layer_norm(x, (self.dim,), self.g2, self.b2)
        x = x + self.ff(h)
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.token = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Embedding(block_size, embed_dim)
        self.stack = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.to_logits = nn.Linear(embed_dim, vocab_size, bias=False)
        self.to_logits.weight = self.token.weight

    def num_params(self):
        return sum(p.numel() for p in self.parameters())

    def forward(self, idx):
        if idx.shape[1] > self.block_size:
            raise ValueError("sequence longer than block_size")
        where = torch.arange(idx.shape[1], device=idx.device).expand_as(idx)
        x = self.token(idx) + self.position(where)
        for block in self.stack:
            x = block(x)
        return self.to_logits(self.norm(x))

    @torch.no_grad()
    def generate(self, idx, n_new):
        for _ in range(n_new):
            logits = self(idx[:, -self.block_size :])[:, -1]
            idx = torch.cat([idx, logits.argmax(-1, keepdim=True)], dim=1)
        return idx
