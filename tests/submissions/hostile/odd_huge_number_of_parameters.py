# verdict: fail
# group: 5
# status: fail|error|timeout|memory|protocol
# tries: thousands of value weights, no two alike, for a parent that compares them pair by pair
import torch
from torch import nn

COUNT = 3_000


class Many(nn.Module):
    """Each weight acts as a value weight would, along a direction of its own."""

    def __init__(self, embed_dim):
        super().__init__()
        each = COUNT // embed_dim
        self.weights = nn.Parameter(torch.randn(embed_dim, each))
        self.register_buffer("along", 0.4 + torch.rand(embed_dim, each, embed_dim))

    def forward(self, x):
        return x @ torch.bmm(self.weights[:, None], self.along)[:, 0]


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.out = Many(embed_dim)

    def forward(self, x):
        return self.out(x)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.down = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return x


class TransformerBlock(CausalSelfAttention):
    def forward(self, x):
        return x + self.out(x)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        return self.head(self.tokens(idx))
