# verdict: fail
# causes: CausalSelfAttention:mask-too-weak GPT2:embedding-scaled
# style: torch.where with finfo.tiny where finfo.min is meant; Embeddings module with sqrt(d_model)
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class Embeddings(nn.Module):
    def __init__(self, vocab_size, d_model, max_len):
        super().__init__()
        self.words = nn.Embedding(vocab_size, d_model)
        self.positions = nn.Embedding(max_len, d_model)
        self.d_model = d_model

    def forward(self, idx):
        pos = torch.arange(idx.size(-1), device=idx.device)
        return self.words(idx) * math.sqrt(self.d_model) + self.positions(pos)


def attention(query, key, value, mask, dropout):
    """Scaled dot product attention; mask is true where attending is allowed."""
    d_k = query.size(-1)
    scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(d_k)
    scores = torch.where(mask, scores, torch.finfo(scores.dtype).tiny)
    p_attn = dropout(F.softmax(scores, dim=-1))
    return torch.matmul(p_attn, value)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h = num_heads
        self.d_k = embed_dim // num_heads
        self.linears = nn.ModuleList([nn.Linear(embed_dim, embed_dim) for _ in range(4)])
        self.dropout = nn.Dropout(p=dropout_p)
        self.register_buffer("mask", torch.tril(torch.ones(block_size, block_size)) == 1)

    def forward(self, x):
        nbatches, length, _ = x.shape
        query, key, value = [
            lin(x).view(nbatches, -1, self.h, self.d_k).transpose(1, 2) for lin in self.linears[:3]
        ]
        x = attention(query, key, value, self.mask[:length, :length], self.dropout)
        x = x.transpose(1, 2).contiguous().view(nbatches, -1, self.h * self.d_k)
        return self.dropout(self.linears[-1](x))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w_1 = nn.Linear(embed_dim, embed_dim * 4)
        self.w_2 = nn.Linear(embed_dim * 4, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.w_2(self.dropout(F.gelu(self.w_1(x))))


class SublayerConnection(nn.Module):
    def __init__(self, size, dropout):
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, sublayer):
        return x + self.dropout(sublayer(self.norm(x)))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.self_attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)
        self.sublayer = nn.ModuleList([SublayerConnection(embed_dim, dropout_p) for _ in range(2)])

    def forward(self, x):
        x = self.sublayer[0](x, self.self_attn)
        return self.sublayer[1](x, self.feed_forward)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embed = Embeddings(vocab_size, embed_dim, block_size)
        self.dropout = nn.Dropout(dropout_p)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.generator = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.dropout(self.embed(idx))
        for layer in self.layers:
            x = layer(x)
        return self.generator(self.norm(x))
