# verdict: fail
# part: TransformerBlock
# cause: rmsnorm
# style: LayerNorm by hand whose mean is never subtracted; a loop over heads that slices columns
import math

import torch
import torch.nn as nn


class LayerNorm(nn.Module):
    def __init__(self, features, eps=1e-5):
        super().__init__()
        self.a = nn.Parameter(torch.ones(features))
        self.b = nn.Parameter(torch.zeros(features))
        self.eps = eps

    def forward(self, x):
        ms = x.pow(2).mean(dim=-1, keepdim=True)
        return self.a * x / torch.sqrt(ms + self.eps) + self.b


class TransformerBlock(nn.Module):
    """Attention and MLP, each with its norm and residual."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.pre_attn = LayerNorm(embed_dim)
        self.pre_mlp = LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.pre_attn(x))
        return x + self.mlp(self.pre_mlp(x))


class CausalSelfAttention(nn.Module):
    """Multi-head attention that looks only backwards."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.final = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        ones = torch.ones(block_size, block_size)
        self.register_buffer("mask", torch.triu(ones, diagonal=1).bool())

    def forward(self, x):
        T = x.shape[1]
        Q, K, V = self.query(x), self.key(x), self.value(x)
        outs = []
        for i in range(self.num_heads):
            cols = slice(i * self.head_dim, (i + 1) * self.head_dim)
            s = Q[..., cols] @ K[..., cols].transpose(1, 2)
            s = s / math.sqrt(self.head_dim)
            s = s.masked_fill(self.mask[:T, :T], float("-inf"))
            w = torch.softmax(s, dim=2)
            outs.append(self.dropout(w) @ V[..., cols])
        return self.dropout(self.final(torch.cat(outs, dim=2)))


class MLP(nn.Module):
    """Two linear layers with a GELU in between."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x):
        return self.net(x)


class GPT2(nn.Module):
    """GPT-2: embeddings, blocks, final norm, head."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab_size, embed_dim)
        self.position_embeddings = nn.Embedding(block_size, embed_dim)
        self.register_buffer("position_ids", torch.arange(block_size), persistent=False)
        self.embd_drop = nn.Dropout(dropout_p)
        self.num_layers = num_layers
        for i in range(num_layers):
            self.add_module(
                f"block{i}", TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            )
        self.final_layer_norm = nn.LayerNorm(embed_dim)
        self.classifier = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        positions = self.position_ids[: idx.size(1)]
        hidden = self.embd_drop(self.word_embeddings(idx) + self.position_embeddings(positions))
        for i in range(self.num_layers):
            hidden = getattr(self, f"block{i}")(hidden)
        return self.classifier(self.final_layer_norm(hidden))
