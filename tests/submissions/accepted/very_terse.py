# verdict: pass
# style: as short as it gets: sdpa, Sequentials, MLP is itself a subclass of nn.Sequential
import torch
from torch.nn import Dropout, Embedding, GELU, LayerNorm, Linear, Module, Sequential
from torch.nn.functional import scaled_dot_product_attention as sdpa


class CausalSelfAttention(Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h, self.i, self.o = (
            num_heads,
            Linear(embed_dim, 3 * embed_dim),
            Sequential(Linear(embed_dim, embed_dim), Dropout(dropout_p)),
        )

    def forward(self, x):
        q, k, v = self.i(x).unflatten(2, (3, self.h, -1)).permute(2, 0, 3, 1, 4)
        return self.o(sdpa(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class MLP(Sequential):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__(
            Linear(embed_dim, 4 * embed_dim),
            GELU(),
            Linear(4 * embed_dim, embed_dim),
            Dropout(dropout_p),
        )


class TransformerBlock(Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.a = Sequential(
            LayerNorm(embed_dim), CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        )
        self.m = Sequential(LayerNorm(embed_dim), MLP(embed_dim, dropout_p))

    def forward(self, x):
        x = x + self.a(x)
        return x + self.m(x)


class GPT2(Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.t, self.p = Embedding(vocab_size, embed_dim), Embedding(block_size, embed_dim)
        self.f = Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ],
            LayerNorm(embed_dim),
            Linear(embed_dim, vocab_size, bias=False),
        )

    def forward(self, idx):
        return self.f(self.t(idx) + self.p(torch.arange(idx.size(1), device=idx.device)))
