# verdict: pass
# style: generator helpers, lru_cache mask factory, sublayers in (norm, layer) pairs
from functools import lru_cache
from itertools import chain

import torch
import torch.nn as nn


@lru_cache(maxsize=32)
def future_mask(n: int, device: torch.device) -> torch.Tensor:
    return torch.arange(n, device=device).expand(n, n) > torch.arange(n, device=device).view(n, 1)


def gelu_tanh(x):
    c = (2 / torch.pi) ** 0.5
    return x * torch.sigmoid(2 * c * (x + 0.044715 * x * x * x))  # = the tanh form


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.shape = (num_heads, embed_dim // num_heads)
        self.qk = nn.Linear(embed_dim, 2 * embed_dim)
        self.v = nn.Linear(embed_dim, embed_dim)
        self.o = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def _heads(self, *tensors):
        for t in tensors:
            yield t.reshape(*t.shape[:2], *self.shape).transpose(1, 2)

    def forward(self, x):
        q, k, v = self._heads(*self.qk(x).chunk(2, -1), self.v(x))
        s = torch.matmul(q, k.transpose(-1, -2)).div(self.shape[1] ** 0.5)
        s = s.masked_fill(future_mask(x.shape[1], x.device), -torch.inf)
        y = torch.matmul(self.dropout(nn.functional.softmax(s, dim=-1)), v)
        return self.dropout(self.o(y.transpose(1, 2).flatten(2, 3)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.first = nn.Linear(embed_dim, 4 * embed_dim)
        self.second = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.second(gelu_tanh(self.first(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.pairs = nn.ModuleList(
            [
                nn.ModuleList(
                    [
                        nn.LayerNorm(embed_dim),
                        CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                    ]
                ),
                nn.ModuleList([nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p)]),
            ]
        )

    def forward(self, x):
        for norm, layer in self.pairs:
            x = x + layer(norm(x))
        return x


class GPT2(nn.Module):
    """The blocks' pairs are flattened into one long list of (norm, layer) and walked through."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.pos_embedding = nn.Embedding(block_size, embed_dim)
        self.ln_f = nn.LayerNorm(embed_dim)
        self.proj = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.embedding(idx) + self.pos_embedding.weight[: idx.shape[1]]
        for norm, layer in chain.from_iterable(b.pairs for b in self.blocks):
            x = x + layer(norm(x))
        return self.proj(self.ln_f(x))
