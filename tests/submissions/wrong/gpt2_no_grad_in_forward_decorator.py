# verdict: fail
# part: GPT2
# cause: no-grad-in-forward
# style: torch.no_grad as decorator on forward
import math

import torch
import torch.nn as nn


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

    @torch.no_grad()
    def forward(self, idx):
        B, T = idx.shape
        x = self.drop(self.wte(idx) + self.wpe(torch.arange(T, device=idx.device)))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.ln_attn = nn.LayerNorm(embed_dim, bias=False)
        self.ln_mlp = nn.LayerNorm(embed_dim, bias=False)
        self.attn = CausalSelfAttention(
            embed_dim=embed_dim, num_heads=num_heads, block_size=block_size, dropout_p=dropout_p
        )
        self.mlp = MLP(embed_dim=embed_dim, dropout_p=dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_attn(x))
        return x + self.mlp(self.ln_mlp(x))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.lin_in = nn.Linear(embed_dim, 4 * embed_dim)
        self.lin_out = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        a = self.lin_in(x)
        a = a * 0.5 * (1.0 + torch.erf(a / math.sqrt(2.0)))  # exact GELU
        return self.dropout(self.lin_out(a))


class Conv1D(nn.Module):
    """Linear layer with the weight stored as (in, out), as in the TensorFlow release."""

    def __init__(self, nx, nf):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nx, nf))
        self.bias = nn.Parameter(torch.zeros(nf))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x):
        return x @ self.weight + self.bias


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.split_size = embed_dim
        self.n_head = num_heads
        self.c_attn = Conv1D(embed_dim, 3 * embed_dim)
        self.c_proj = Conv1D(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def split_heads(self, x):
        N, L, E = x.shape
        return x.view(N, L, self.n_head, E // self.n_head).permute(0, 2, 1, 3)

    def forward(self, x):
        N, L, E = x.shape
        query, key, value = self.c_attn(x).split(self.split_size, dim=-1)
        query, key, value = map(self.split_heads, (query, key, value))
        w = query @ key.permute(0, 1, 3, 2) / math.sqrt(value.size(-1))
        allowed = torch.tril(torch.ones(L, L, dtype=w.dtype, device=w.device))
        w = w * allowed - 1e9 * (1 - allowed)
        w = self.dropout(w.softmax(dim=-1))
        a = (w @ value).permute(0, 2, 1, 3).contiguous().view(N, L, E)
        return self.dropout(self.c_proj(a))


def main():
    model = GPT2(vocab_size=50, embed_dim=16, num_heads=2, num_layers=2, block_size=8)
    print(sum(p.numel() for p in model.parameters()), "parameters")


if __name__ == "__main__":
    main()
