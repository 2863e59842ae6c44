# verdict: fail
# part: GPT2
# cause: position-depends-on-t
# style: pads on the left to block_size and returns the last T logits
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.block_size = block_size
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        T = idx.shape[1]
        padded = F.pad(idx, (self.block_size - T, 0))
        x = self.drop(self.tokens(padded) + self.positions.weight)
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))[:, -T:]


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
        self.expand = nn.Conv1d(embed_dim, 4 * embed_dim, 1)
        self.act = nn.GELU(approximate="tanh")
        self.contract = nn.Conv1d(4 * embed_dim, embed_dim, 1)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        y = self.contract(self.act(self.expand(x.transpose(1, 2))))
        return self.dropout(y.transpose(1, 2))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.in_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        b, t, c = x.shape
        h, d = self.num_heads, self.head_dim

        def fold(z):  # heads go into the batch
            z = z.reshape(b, t, h, d).transpose(1, 2)
            return z.reshape(b * h, t, d)

        q, k, v = (fold(z) for z in self.in_proj(x).split(c, dim=-1))
        w = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(d)
        keep = torch.ones(t, t, device=x.device).tril().bool()
        w = w.masked_fill(~keep, float("-inf"))
        w = self.dropout(F.softmax(w, dim=2))
        y = torch.bmm(w, v).view(b, h, t, d)
        y = y.transpose(1, 2).reshape(b, t, c)
        return self.dropout(self.out_proj(y))


def main():
    model = GPT2(vocab_size=50, embed_dim=16, num_heads=2, num_layers=2, block_size=8)
    print(sum(p.numel() for p in model.parameters()), "parameters")


if __name__ == "__main__":
    main()
