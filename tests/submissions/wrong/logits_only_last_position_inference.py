# verdict: fail
# part: GPT2
# cause: logits-only-last-position
# style: logits for the last time step only, as when sampling; tied head
import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.h = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, idx):
        B, T = idx.size()
        pos = torch.arange(0, T, device=idx.device)
        x = self.drop(self.wte(idx) + self.wpe(pos))
        for block in self.h:
            x = block(x)
        x = self.ln_f(x)
        return self.lm_head(x[:, [-1], :])


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


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.H, self.D = num_heads, embed_dim // num_heads
        self.wq = nn.Linear(embed_dim, embed_dim)
        self.wkv = nn.Linear(embed_dim, 2 * embed_dim)
        self.wo = nn.Linear(embed_dim, embed_dim)
        self.attn_p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        key, value = self.wkv(x).chunk(2, dim=-1)
        query = self.wq(x).reshape(B, T, self.H, self.D)
        key = key.reshape(B, T, self.H, self.D)
        value = value.reshape(B, T, self.H, self.D)
        logits = torch.einsum("bihd,bjhd->bhij", query, key) / self.D**0.5
        allowed = torch.ones(T, T, dtype=torch.bool, device=x.device).tril()
        logits = logits.masked_fill(allowed.logical_not(), -torch.inf)
        weights = F.dropout(logits.softmax(dim=3), self.attn_p, self.training)
        mixed = torch.einsum("bhij,bjhd->bihd", weights, value).reshape(B, T, C)
        return F.dropout(self.wo(mixed), self.attn_p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.W_in = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * 0.02)
        self.b_in = nn.Parameter(torch.zeros(4 * embed_dim))
        self.W_out = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * 0.02)
        self.b_out = nn.Parameter(torch.zeros(embed_dim))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        pre = x @ self.W_in + self.b_in
        post = 0.5 * pre * (1 + torch.erf(pre / math.sqrt(2)))
        return self.drop(post @ self.W_out + self.b_out)
