# verdict: fail
# part: GPT2
# cause: final-norm-missing
# style: GPT-1 layout at the end of a GPT-2: head straight after the last block; subclassed layers
import torch
from torch import nn


class Projection(nn.Linear):
    """(B, T, C) -> (B, H, T, D)."""

    def __init__(self, dim, heads):
        super().__init__(dim, dim)
        self.heads = heads

    def forward(self, x):
        return super().forward(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.q = Projection(embed_dim, num_heads)
        self.k = Projection(embed_dim, num_heads)
        self.v = Projection(embed_dim, num_heads)
        self.o = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.register_buffer("seen", torch.ones(block_size, block_size, dtype=torch.bool).tril())

    def forward(self, x):
        T = x.size(1)
        s = self.q(x) @ self.k(x).mT
        s = s / (x.size(2) // self.q.heads) ** 0.5
        s = s.where(self.seen[:T, :T], s.new_tensor(float("-inf")))
        y = self.drop(s.softmax(-1)) @ self.v(x)
        return self.drop(self.o(y.transpose(1, 2).flatten(2)))


class MLP(nn.Sequential):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU("tanh"),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.attn = nn.Sequential(nn.LayerNorm(embed_dim), attn)
        self.mlp = nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p))

    def forward(self, x):
        for branch in self.children():
            x = x + branch(x)
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens_embed = nn.Embedding(vocab_size, embed_dim)
        self.positions_embed = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.h = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        positions = torch.arange(idx.size(-1), device=idx.device)
        h = self.drop(self.tokens_embed(idx) + self.positions_embed(positions))
        for block in self.h:
            h = block(h)
        return self.lm_head(h)
