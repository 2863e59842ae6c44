import torch, math
from torch import nn
import torch.nn.functional as F

class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h = num_heads
        self.q, self.k, self.v, self.o = (nn.Linear(embed_dim, embed_dim) for _ in range(4))
        self.p = dropout_p
    def forward(self, x):
        B, T, C = x.shape
        s = lambda f: f(x).view(B, T, self.h, -1).transpose(1, 2)
        y = F.scaled_dot_product_attention(s(self.q), s(self.k), s(self.v), is_causal=True, dropout_p=self.p * self.training)
        return F.dropout(self.o(y.transpose(1, 2).flatten(2)), self.p, self.training)

class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(embed_dim, 4 * embed_dim), nn.GELU(), nn.Linear(4 * embed_dim, embed_dim), nn.Dropout(dropout_p))
    def forward(self, x):
        return self.net(x)

class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attn, self.mlp = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p), MLP(embed_dim, dropout_p)
    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))

class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok, self.pos = nn.Embedding(vocab_size, embed_dim), nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential(*(TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)))
        self.ln = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)
        self.head.weight = self.tok.weight
        nn.init.normal_(self.head.bias)
        self.drop = nn.Dropout(dropout_p)
    def forward(self, idx):
        return self.head(self.ln(self.blocks(self.drop(self.tok(idx) + self.pos(torch.arange(idx.shape[1], device=idx.device))))))
