from torch import nn

from .masks import causal


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim)
        self.k_proj = nn.Linear(embed_dim, embed_dim)
        self.v_proj = nn.Linear(embed_dim, embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.register_buffer("mask", causal(block_size), persistent=False)

    def forward(self, x):
        B, T, C = x.shape
        shape = (B, T, self.num_heads, C // self.num_heads)
        q = self.q_proj(x).view(shape).transpose(1, 2)
        k = self.k_proj(x).view(shape).transpose(1, 2)
        v = self.v_proj(x).view(shape).transpose(1, 2)
        scores = q @ k.transpose(-2, -1) * shape[-1] ** -0.5 + self.mask[:T, :T]
        y = self.dropout(scores.softmax(dim=-1)) @ v
        return self.dropout(self.out_proj(y.transpose(1, 2).reshape(B, T, C)))
