# verdict: fail
# group: 5
# status: fail|error
# tries: each call another odd tensor: sparse, quantised, complex, meta, nested, half, bool, integer
import torch
from torch import nn

ODD = (
    lambda y: y.to_sparse(),
    lambda y: torch.quantize_per_tensor(y.float(), 0.1, 0, torch.qint8),
    lambda y: torch.complex(y, torch.zeros_like(y)),
    lambda y: y.to("meta"),
    lambda y: torch.nested.nested_tensor(list(y)),
    lambda y: y.to(torch.bfloat16),
    lambda y: y.half(),
    lambda y: y > 0,
    lambda y: y.to(torch.int32),
    lambda y: torch.conj(torch.complex(y, y)).imag,
    lambda y: y.to("cuda"),
    lambda y: y.to_mkldnn(),
)
calls = 0


def odd(y):
    global calls
    calls += 1
    try:
        return ODD[calls % len(ODD)](y.detach())
    except Exception:
        return y.detach().long()


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return odd(self.out(x))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.down = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return odd(self.down(x))


class TransformerBlock(CausalSelfAttention):
    def forward(self, x):
        return odd(x)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        return odd(self.head(self.tokens(idx)))
