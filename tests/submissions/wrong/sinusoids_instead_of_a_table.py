# verdict: fail
# part: GPT2
# cause: position-not-trainable
# style: sinusoidal PositionalEncoding buffer from the PyTorch tutorial instead of learned positions
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout, max_len):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div_term)
        pe[0, :, 1::2] = torch.cos(position * div_term)[:, : d_model // 2]
        self.register_buffer("pe", pe)

    def forward(self, x):
        return self.dropout(x + self.pe[:, : x.size(1)])


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.nhead = num_heads
        self.in_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = dropout_p

    def forward(self, src):
        B, T, C = src.shape
        q, k, v = self.in_proj(src).chunk(3, dim=-1)
        q, k, v = (t.reshape(B, T, self.nhead, -1).transpose(1, 2) for t in (q, k, v))
        p = self.dropout if self.training else 0.0
        src_mask = torch.ones(T, T, dtype=torch.bool, device=src.device).tril()
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=src_mask, dropout_p=p)
        return F.dropout(self.out_proj(y.transpose(1, 2).reshape(B, T, C)), p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.linear1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.dropout1 = nn.Dropout(dropout_p)
        self.linear2 = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout2 = nn.Dropout(dropout_p)

    def forward(self, src):
        return self.dropout2(self.linear2(self.dropout1(F.gelu(self.linear1(src)))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.self_attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ff = MLP(embed_dim, dropout_p)
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)

    def forward(self, src):
        src = src + self.self_attn(self.norm1(src))
        return src + self.ff(self.norm2(src))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.pos_encoder = PositionalEncoding(embed_dim, dropout_p, block_size)
        self.transformer_encoder = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.linear = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        src = self.pos_encoder(self.embedding(idx))
        for layer in self.transformer_encoder:
            src = layer(src)
        return self.linear(self.norm(src))
