# verdict: pass
# style: single-example single-head function lifted with torch.vmap over heads and batch
import torch
import torch.nn as nn
import torch.nn.functional as F


def one_head(q, k, v):
    """(T, D) each, one example, one head."""
    T, D = q.shape
    scores = q @ k.T / D**0.5
    causal = torch.ones(T, T, dtype=torch.bool, device=q.device).tril()
    return torch.where(causal, scores, float("-inf")).softmax(dim=1) @ v


# inner vmap: heads (axis 1 of (T, H, D)); outer vmap: batch
all_heads = torch.vmap(torch.vmap(one_head, in_dims=1, out_dims=1))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.H = num_heads
        self.wq = nn.Linear(embed_dim, embed_dim)
        self.wkv = nn.Linear(embed_dim, 2 * embed_dim)
        self.wo = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        q = self.wq(x)
        k, v = self.wkv(x).chunk(2, -1)
        q, k, v = (z.unflatten(-1, (self.H, -1)) for z in (q, k, v))
        return self.drop(self.wo(all_heads(q, k, v).flatten(-2)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.w2 = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.w2(F.gelu(self.w1(x), approximate="tanh")))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_a = nn.LayerNorm(embed_dim)
        self.ln_m = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln_a(x))
        return x + self.mlp(self.ln_m(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.E = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.P = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        B, T = idx.shape
        x = torch.take_along_dim(self.E, idx.reshape(-1, 1), dim=0).view(B, T, -1)
        x = x + self.P[:T]
        for block in self.blocks:
            x = block(x)
        return torch.einsum("btc,vc->btv", self.ln(x), self.E)
