# verdict: fail
# part: CausalSelfAttention
# cause: dropout-always-on
# style: F.dropout(att, p) whose training flag defaults to True; reduce over the blocks
from functools import reduce
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_heads = num_heads
        self.dropout_p = dropout_p
        self.qkv_proj = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.register_buffer("neg", torch.full((block_size, block_size), float("-inf")).triu(1))

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv_proj(x).view(B, T, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        att = q @ k.transpose(-1, -2) / (C // self.n_heads) ** 0.5
        att = F.softmax(att + self.neg[:T, :T], dim=-1)
        att = F.dropout(att, self.dropout_p)
        return self.out_proj((att @ v).transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc_in = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc_out = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.fc_out(F.gelu(self.fc_in(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.steps = nn.ModuleList(
            [
                nn.Sequential(
                    nn.LayerNorm(embed_dim),
                    CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                ),
                nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p)),
            ]
        )

    def forward(self, x):
        return reduce(lambda h, step: h + step(h), self.steps, x)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1), device=idx.device))
        return self.head(self.ln_f(reduce(lambda h, block: block(h), self.blocks, x)))
