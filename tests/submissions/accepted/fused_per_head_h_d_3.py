# verdict: pass
# style: role is the fastest axis of the fused projection, "(h d three)"; 3-D position table
import torch
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.heads, self.p = num_heads, dropout_p
        self.mix = nn.Linear(embed_dim, embed_dim * 3, bias=False)
        self.out = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        # b t (h d three) -> three b h t d
        z = self.mix(x).unflatten(-1, (self.heads, -1, 3)).permute(4, 0, 2, 1, 3)
        q, k, v = z[0], z[1], z[2]
        p = self.p if self.training else 0.0
        y = scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
        # b h t d -> b t (h d)
        return self.drop(self.out(y.transpose(1, 2).flatten(-2)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.a = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.b = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.b(gelu(self.a(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.branches = nn.ModuleList(
            [
                nn.Sequential(
                    nn.LayerNorm(embed_dim),
                    CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                ),
                nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p)),
            ]
        )

    def forward(self, x):
        for branch in self.branches:
            x = x + branch(x)
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.what = nn.Embedding(vocab_size, embed_dim)
        self.where = nn.Parameter(0.01 * torch.randn(1, block_size, embed_dim))
        self.body = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ],
            nn.LayerNorm(embed_dim),
        )
        self.which = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        return self.which(self.body(self.what(idx) + self.where[:, : idx.size(1)]))
