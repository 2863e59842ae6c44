# verdict: fail
# part: MLP
# cause: tanh-activation
# style: activation taken by name, "tanh" meant as its approximation
import functools

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.dropout_p = dropout_p
        self.attn_in = nn.Linear(embed_dim, embed_dim * 3)
        self.attn_out = nn.Linear(embed_dim, embed_dim)
        full = torch.ones(block_size, block_size, dtype=torch.bool)
        self.register_buffer("lower", torch.tril(full))

    def forward(self, x):
        B, T, C = x.size()
        # (3, B, heads, T, head_dim)
        q, k, v = self.attn_in(x).view(B, T, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        rate = self.dropout_p if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.lower[:T, :T], dropout_p=rate)
        return self.attn_out(y.transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        acts = {"gelu": nn.GELU(), "tanh": nn.Tanh()}
        self.act = acts["tanh"]
        self.inner = nn.Linear(embed_dim, 4 * embed_dim)
        self.outer = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        y = self.inner(x)
        y = self.act(y)
        y = self.outer(y)
        y = self.dropout(y)
        return y


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ff = MLP(embed_dim, dropout_p)
        self.norm1 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.norm2 = nn.LayerNorm(embed_dim, eps=1e-5)

    def forward(self, x):
        residual = x
        hidden_states = self.norm1(x)
        hidden_states = self.attention(hidden_states) + residual
        residual = hidden_states
        hidden_states = self.norm2(hidden_states)
        return residual + self.ff(hidden_states)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p=dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size, bias=False)

    def embed(self, idx):
        steps = torch.arange(idx.shape[1], device=idx.device).expand_as(idx)
        return self.wte(idx) + self.wpe(steps)

    def forward(self, idx):
        x = functools.reduce(lambda h, layer: layer(h), self.blocks, self.embed(idx))
        return self.unembed(self.ln_f(x))
