# verdict: fail
# part: GPT2
# cause: detach-breaks-gradients
# style: detaches the sum of the embeddings before the stack
import math

import torch
from torch import nn


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.c_fc(x)
        x = self.gelu(x)
        x = self.c_proj(x)
        x = self.dropout(x)
        return x


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Conv1d(embed_dim, 3 * embed_dim, kernel_size=1)
        self.out = nn.Conv1d(embed_dim, embed_dim, kernel_size=1)
        self.drop = nn.Dropout(dropout_p)
        self.register_buffer("mask", torch.ones(block_size, block_size).tril().bool())

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = self.qkv(x.transpose(1, 2)).chunk(3, dim=1)
        # channels first: (batch, heads, size, length)
        q = q.reshape(batch, self.num_heads, -1, length)
        k = k.reshape(batch, self.num_heads, -1, length)
        v = v.reshape(batch, self.num_heads, -1, length)
        scores = q.transpose(2, 3) @ k / math.sqrt(width // self.num_heads)
        scores = scores.masked_fill(~self.mask[:length, :length], -math.inf)
        probs = self.drop(torch.softmax(scores, dim=-1))
        y = (v @ probs.transpose(2, 3)).reshape(batch, width, length)
        return self.drop(self.out(y)).transpose(1, 2)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.sa = nn.Sequential(
            nn.LayerNorm(embed_dim),
            CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
        )
        self.ffwd = nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p))

    def forward(self, x):
        for sublayer in (self.sa, self.ffwd):
            x = x + sublayer(x)
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        pos = torch.arange(idx.shape[1], device=idx.device)
        emb = self.token_embedding(idx) + self.position_embedding(pos)
        x = self.dropout(emb.detach())
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


if __name__ == "__main__":
    torch.manual_seed(0)
    model = GPT2(
        vocab_size=100, embed_dim=64, num_heads=4, num_layers=2, block_size=32, dropout_p=0.0
    )
    idx = torch.randint(0, 100, (2, 10))
    print(model(idx).shape)
