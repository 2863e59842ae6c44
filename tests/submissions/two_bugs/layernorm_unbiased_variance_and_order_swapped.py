# verdict: fail
# part: TransformerBlock
# causes: layernorm-unbiased-variance order-swapped
# style: LayerNorm by hand with Tensor.var's default; the sublayers are called in the wrong order
import math

import torch
import torch.nn as nn


class LayerNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dim))
        self.shift = nn.Parameter(torch.zeros(dim))
        self.eps = eps

    def forward(self, x):
        mean = x.mean(dim=-1, keepdim=True)
        var = x.var(dim=-1, keepdim=True)
        return self.scale * (x - mean) / torch.sqrt(var + self.eps) + self.shift


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        d_k = embed_dim // num_heads
        self.queries = nn.ModuleList(nn.Linear(embed_dim, d_k) for _ in range(num_heads))
        self.keys = nn.ModuleList(nn.Linear(embed_dim, d_k) for _ in range(num_heads))
        self.values = nn.ModuleList(nn.Linear(embed_dim, d_k) for _ in range(num_heads))
        self.out = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        mask = torch.zeros(block_size, block_size)
        mask[torch.ones_like(mask).triu(1).bool()] = float("-inf")
        self.register_buffer("mask", mask)

    def forward(self, x):
        T = x.shape[1]
        result = []
        for to_q, to_k, to_v in zip(self.queries, self.keys, self.values):
            q, k, v = to_q(x), to_k(x), to_v(x)
            scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
            weights = torch.softmax(scores + self.mask[:T, :T], dim=-1)
            result.append(self.dropout(weights) @ v)
        return self.dropout(self.out(torch.cat(result, dim=-1)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Linear(embed_dim, 4 * embed_dim), nn.Linear(4 * embed_dim, embed_dim)]
        )
        self.activation = nn.GELU()
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        first, second = self.layers
        return self.dropout(second(self.activation(first(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.att = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ff = MLP(embed_dim, dropout_p)
        self.norm1 = LayerNorm(embed_dim)
        self.norm2 = LayerNorm(embed_dim)

    def forward(self, x):
        # shortcut connection for the feed-forward part
        shortcut = x
        x = self.ff(self.norm1(x)) + shortcut
        # shortcut connection for the attention part
        shortcut = x
        x = self.att(self.norm2(x)) + shortcut
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.drop_emb = nn.Dropout(dropout_p)
        self.trf_blocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.final_norm = nn.LayerNorm(embed_dim)
        self.out_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        batch_size, seq_len = idx.shape
        tok_embeds = self.tok_emb(idx)
        pos_embeds = self.pos_emb(torch.arange(seq_len, device=idx.device))
        x = self.drop_emb(tok_embeds + pos_embeds)
        x = self.trf_blocks(x)
        x = self.final_norm(x)
        return self.out_head(x)
