# verdict: fail
# part: GPT2
# cause: ignores-num-layers
# style: Sequential trunk of six blocks whatever num_layers says
import torch
import torch.nn as nn


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.act = nn.GELU(approximate="tanh")
        self.c_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.c_fc(x)
        x = self.act(x)
        x = self.c_proj(x)
        return self.dropout(x)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        d = embed_dim // num_heads
        self.scale = d**-0.5
        self.W_Q = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.W_K = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.W_V = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.W_O = nn.Parameter(torch.randn(num_heads, d, embed_dim) * 0.02)
        self.b_O = nn.Parameter(torch.zeros(embed_dim))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        q = torch.einsum("btc,hcd->bhtd", x, self.W_Q) * self.scale
        k = torch.einsum("btc,hcd->bhtd", x, self.W_K)
        v = torch.einsum("btc,hcd->bhtd", x, self.W_V)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k)
        t = torch.arange(x.shape[1], device=x.device)
        scores = torch.where(t[:, None] >= t[None, :], scores, torch.finfo(x.dtype).min)
        pattern = self.drop(scores.softmax(-1))
        z = torch.einsum("bhqk,bhkd->bhqd", pattern, v)
        return self.drop(torch.einsum("bhqd,hdc->bqc", z, self.W_O) + self.b_O)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.Sequential(
            *[TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(6)]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        T = idx.shape[1]
        x = self.tok_emb(idx) + self.pos_emb[:T]
        x = self.blocks(x)
        return self.head(self.norm(x))
