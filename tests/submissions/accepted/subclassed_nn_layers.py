# verdict: pass
# style: subclasses of nn.Linear, nn.LayerNorm, nn.Sequential, nn.Embedding
import torch
import torch.nn as nn
import torch.nn.functional as F


class HeadedLinear(nn.Linear):
    """Linear whose output comes split: (B, H, T, D)."""

    def __init__(self, dim, heads):
        super().__init__(dim, dim)
        self.heads = heads

    def forward(self, x):
        return super().forward(x).unflatten(-1, (self.heads, -1)).transpose(-2, -3)


class MergingLinear(nn.Linear):
    """Takes (B, H, T, D), puts heads together again, projects."""

    def forward(self, x):
        return super().forward(x.transpose(-2, -3).flatten(-2))


class PreNorm(nn.LayerNorm):
    def __init__(self, dim, fn):
        super().__init__(dim)
        self.fn = fn

    def forward(self, x):
        return x + self.fn(super().forward(x))


class Positions(nn.Embedding):
    def forward(self, t):
        return super().forward(torch.arange(t, device=self.weight.device))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.q = HeadedLinear(embed_dim, num_heads)
        self.k = HeadedLinear(embed_dim, num_heads)
        self.v = HeadedLinear(embed_dim, num_heads)
        self.o = MergingLinear(embed_dim, embed_dim)
        self.d = nn.Dropout(dropout_p)

    def forward(self, x):
        y = F.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x), is_causal=True)
        return self.d(self.o(y))


class MLP(nn.Sequential):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )


class TransformerBlock(nn.Sequential):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__(
            PreNorm(embed_dim, CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)),
            PreNorm(embed_dim, MLP(embed_dim, dropout_p)),
        )


class GPT2(nn.Sequential):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = Positions(block_size, embed_dim)
        self.body = nn.Sequential(
            nn.Dropout(dropout_p),
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ],
        )
        self.tail = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size))

    def forward(self, idx):
        x = self.tokens(idx) + self.positions(idx.shape[1])
        return self.tail(self.body(x))
