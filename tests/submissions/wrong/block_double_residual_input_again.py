# verdict: fail
# part: TransformerBlock
# cause: double-residual
# style: the second sum adds the input of the block once more; SDPA with a boolean mask buffer
import math

import torch
import torch.nn.functional as F
from torch import nn


class Conv1D(nn.Module):
    def __init__(self, nf, nx):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nx, nf).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.size(-1)), self.weight).view(
            *x.shape[:-1], self.weight.size(1)
        )


def new_gelu(x):
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.dropout_p = dropout_p
        self.w_qkv = nn.Linear(embed_dim, embed_dim * 3)
        self.w_o = nn.Linear(embed_dim, embed_dim)
        full = torch.ones(block_size, block_size, dtype=torch.bool)
        self.register_buffer("keep", torch.tril(full))

    def forward(self, x):
        B, T, C = x.size()
        # (3, B, heads, T, head_dim)
        q, k, v = self.w_qkv(x).view(B, T, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        rate = self.dropout_p if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.keep[:T, :T], dropout_p=rate)
        return self.w_o(y.transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = Conv1D(4 * embed_dim, embed_dim)
        self.c_proj = Conv1D(embed_dim, 4 * embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        h = new_gelu(self.c_fc(x))
        h = self.c_proj(h)
        return self.dropout(h)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim)
        self.sa = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln2 = nn.LayerNorm(embed_dim)
        self.ff = MLP(embed_dim, dropout_p)

    def forward(self, x):
        h = x + self.sa(self.ln1(x))
        return x + h + self.ff(self.ln2(h))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pe = nn.Parameter(torch.zeros(1, block_size, embed_dim))
        nn.init.normal_(self.pe, std=0.01)
        self.dropout = nn.Dropout(dropout_p)
        blocks = [
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        ]
        self.body = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size))

    def forward(self, idx):
        n = idx.shape[-1]
        h = self.dropout(self.tok(idx) + self.pe[:, :n, :])
        return self.head(self.body(h))
