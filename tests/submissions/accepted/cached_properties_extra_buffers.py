# verdict: pass
# style: functools.cached_property and @property for derived sizes, extra buffers (positions, scale)
from functools import cached_property

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.in_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.attn_dropout, self.out_dropout = nn.Dropout(dropout_p), nn.Dropout(dropout_p)
        self.register_buffer("position_ids", torch.arange(block_size), persistent=False)
        self.register_buffer("version", torch.tensor(2))

    @cached_property
    def head_dim(self):
        return self.embed_dim // self.num_heads

    @cached_property
    def scale(self):
        return self.head_dim**-0.5

    @property
    def is_dropping(self):
        return self.training and self.attn_dropout.p > 0

    def causal(self, T):
        p = self.position_ids[:T]
        return p.view(1, 1, T, 1) >= p.view(1, 1, 1, T)

    def forward(self, x):
        B, T, _ = x.shape
        q, k, v = self.in_proj(x).chunk(3, dim=-1)
        q, k, v = (
            u.contiguous().view(B, T, self.num_heads, self.head_dim).transpose(1, 2)
            for u in (q, k, v)
        )
        w = torch.matmul(q, k.transpose(2, 3)).mul_(self.scale)
        w = torch.where(self.causal(T), w, w.new_tensor(float("-inf")))
        w = F.softmax(w, dim=-1)
        if self.is_dropping:
            w = self.attn_dropout(w)
        y = torch.matmul(w, v).transpose(1, 2).contiguous().view(B, T, self.embed_dim)
        return self.out_dropout(self.out_proj(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.embed_dim = embed_dim
        self.fc1 = nn.Linear(embed_dim, self.hidden_dim)
        self.fc2 = nn.Linear(self.hidden_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    @cached_property
    def hidden_dim(self):
        return 4 * self.embed_dim

    def forward(self, x):
        return self.dropout(self.fc2(F.gelu(self.fc1(x), approximate="tanh")))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.input_layernorm = nn.LayerNorm(embed_dim)
        self.self_attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.post_attention_layernorm = nn.LayerNorm(embed_dim)  # only a name: it is ln_2
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        residual = x
        x = residual + self.self_attn(self.input_layernorm(x))
        residual = x
        return residual + self.mlp(self.post_attention_layernorm(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocab_size, embed_dim)
        self.embed_positions = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.register_buffer("position_ids", torch.arange(block_size).unsqueeze(0))

    @property
    def output_weight(self):
        """Tied: the head is the token table."""
        return self.embed_tokens.weight

    @cached_property
    def num_parameters(self):
        return sum(p.numel() for p in self.parameters())

    def forward(self, idx):
        x = self.embed_tokens(idx) + self.embed_positions(self.position_ids[:, : idx.size(1)])
        for layer in self.layers:
            x = layer(x)
        return F.linear(self.norm(x), self.output_weight)
