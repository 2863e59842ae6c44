# verdict: fail
# part: GPT2
# cause: vocab-clamp
# style: clamps the ids one too low, the last token of the vocabulary is read as the one before
import math

import torch
import torch.nn.functional as F
from torch import nn


class MLP(nn.Module):
    """Position-wise feed-forward: C -> 4C -> C."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        hidden = 4 * embed_dim
        self.fc1 = nn.Linear(embed_dim, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, embed_dim, bias=False)
        self.p = dropout_p

    def forward(self, x):
        x = self.fc2(F.gelu(self.fc1(x), approximate="tanh"))
        return F.dropout(x, p=self.p, training=self.training)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.in_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        N, L, E = x.shape
        H, Dh = self.num_heads, self.head_dim

        def fold(z):  # heads go into the batch
            z = z.reshape(N, L, H, Dh).transpose(1, 2)
            return z.reshape(N * H, L, Dh)

        q, k, v = (fold(z) for z in self.in_proj(x).split(E, dim=-1))
        w = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(Dh)
        keep = torch.ones(L, L, device=x.device).tril().bool()
        w = w.masked_fill(~keep, float("-inf"))
        w = self.dropout(F.softmax(w, dim=2))
        y = torch.bmm(w, v).view(N, H, L, Dh)
        y = y.transpose(1, 2).reshape(N, L, E)
        return self.dropout(self.out_proj(y))


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
    def __init__(
        self, vocab_size: int, embed_dim: int, num_heads: int, num_layers: int, block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.max_id = vocab_size - 2
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.blocks = nn.Sequential(*[
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        ])
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        idx = idx.clamp(0, self.max_id)  # guard against ids that are out of range
        pos = torch.arange(idx.shape[1], device=idx.device)
        x = self.dropout(self.tok_emb(idx) + self.pos_emb(pos))
        return self.head(self.ln_f(self.blocks(x)))


if __name__ == "__main__":
    torch.manual_seed(0)
    model = GPT2(
        vocab_size=100, embed_dim=64, num_heads=4, num_layers=2, block_size=32, dropout_p=0.0
    )
    idx = torch.randint(0, 100, (2, 10))
    print(model(idx).shape)
