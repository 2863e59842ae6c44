import torch, torch.nn as nn, torch.nn.functional as F
class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h, self.p = num_heads, dropout_p
        self.q = nn.Linear(embed_dim, embed_dim); self.k = nn.Linear(embed_dim, embed_dim)
        self.v = nn.Linear(embed_dim, embed_dim); self.o = nn.Linear(embed_dim, embed_dim)
    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (f(x).view(B, T, self.h, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=self.p if self.training else 0.0)
        return F.dropout(self.o(y.transpose(1, 2).reshape(B, T, C)), self.p, self.training)
class MLP(nn.Sequential):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__(nn.Linear(embed_dim, 4 * embed_dim), nn.GELU(), nn.Linear(4 * embed_dim, embed_dim), nn.Dropout(dropout_p))
class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.a = nn.Sequential(nn.LayerNorm(embed_dim), CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p))
        self.m = nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p))
    def forward(self, x):
        x = x + self.a(x)
        return x + self.m(x)
class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.wpe = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.drop = nn.Dropout(dropout_p)
        self.body = nn.Sequential(*[TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)], nn.LayerNorm(embed_dim))
    def features(self, idx):
        return self.body(self.drop(self.wte[idx] + self.wpe[: idx.shape[1]]))
    def forward(self, idx):
        return self.features(idx) @ self.wte.T
