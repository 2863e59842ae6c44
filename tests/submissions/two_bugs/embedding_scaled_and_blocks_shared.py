# verdict: fail
# part: GPT2
# causes: embedding-scaled blocks-shared
# style: very terse; tokens times sqrt(C) as in Vaswani et al., and [block] * num_layers
import torch, torch.nn as nn, torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.H, self.p = num_heads, dropout_p
        self.W = nn.Parameter(torch.randn(4, embed_dim, embed_dim) / embed_dim**0.5)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (x @ w for w in self.W[:3])
        q, k, v = (z.view(B, T, self.H, C // self.H).transpose(1, 2) for z in (q, k, v))
        m = torch.ones(T, T, device=x.device).tril().bool()
        p = self.p if self.training else 0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=m, dropout_p=p)
        return F.dropout(y.transpose(1, 2).reshape(B, T, C) @ self.W[3], self.p, self.training)


class MLP(nn.Sequential):
    def __init__(self, embed_dim, dropout_p=0.0):
        a, b = nn.Linear(embed_dim, 4 * embed_dim), nn.Linear(4 * embed_dim, embed_dim)
        super().__init__(a, nn.GELU("tanh"), b, nn.Dropout(dropout_p))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.a = nn.Sequential(nn.LayerNorm(embed_dim), attn)
        self.m = nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p))

    def forward(self, x):
        x = x + self.a(x)
        return x + self.m(x)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.C = embed_dim
        self.E = nn.Embedding(vocab_size, embed_dim)
        self.P = nn.Embedding(block_size, embed_dim)
        block = TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
        self.blocks = nn.Sequential(*[block] * num_layers)
        self.out = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size))

    def forward(self, idx):
        x = self.E(idx) * self.C**0.5 + self.P(torch.arange(idx.shape[1], device=idx.device))
        return self.out(self.blocks(x))
