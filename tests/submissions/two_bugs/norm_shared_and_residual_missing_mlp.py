# verdict: fail
# part: TransformerBlock
# causes: norm-shared residual-missing-mlp
# style: top-down order, GPT2 first; a dict of arguments; one norm for both, a skip is lost
import math

import torch
import torch.nn as nn


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        block_args = {
            "embed_dim": embed_dim,
            "num_heads": num_heads,
            "block_size": block_size,
            "dropout_p": dropout_p,
        }
        self.embeddings = nn.ModuleDict(
            {
                "token": nn.Embedding(vocab_size, embed_dim),
                "position": nn.Embedding(block_size, embed_dim),
            }
        )
        self.dropout = nn.Dropout(dropout_p)
        self.stack = nn.ModuleList([TransformerBlock(**block_args) for _ in range(num_layers)])
        self.norm = nn.LayerNorm(embed_dim)
        self.to_logits = nn.Linear(embed_dim, vocab_size, bias=False)

    def embed(self, idx):
        position = torch.arange(idx.shape[1], device=idx.device)
        x = self.embeddings["token"](idx) + self.embeddings["position"](position)
        return self.dropout(x)

    def forward(self, idx):
        x = self.embed(idx)
        for block in self.stack:
            x = block(x)
        return self.to_logits(self.norm(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)
        self.norm = nn.LayerNorm(embed_dim)

    def forward(self, x):
        x = x + self.attention(self.norm(x))
        x = self.mlp(self.norm(x))
        return x


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.scale = 1 / math.sqrt(embed_dim // num_heads)
        self.wk = nn.Linear(embed_dim, embed_dim)
        self.wq = nn.Linear(embed_dim, embed_dim)
        self.wv = nn.Linear(embed_dim, embed_dim)
        self.wo = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def heads(self, x):
        b, t, c = x.shape
        # fold the heads into the batch: (B * H, T, D)
        x = x.reshape(b, t, self.num_heads, c // self.num_heads)
        return x.transpose(1, 2).reshape(b * self.num_heads, t, -1)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.heads(self.wq(x)), self.heads(self.wk(x)), self.heads(self.wv(x))
        mask = torch.ones(t, t, dtype=torch.bool, device=x.device).triu(1)
        scores = torch.bmm(q * self.scale, k.transpose(1, 2)).masked_fill(mask, -torch.inf)
        y = torch.bmm(self.dropout(scores.softmax(-1)), v)
        y = y.reshape(b, self.num_heads, t, -1).transpose(1, 2).reshape(b, t, c)
        return self.dropout(self.wo(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, 4 * embed_dim)
        self.gelu = nn.GELU()
        self.down = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.down(self.gelu(self.up(x))))
