# verdict: fail
# part: TransformerBlock
# cause: norm-missing-2
# style: one norm made, one norm used; heads folded into the batch, baddbmm
import torch
import torch.nn.functional as F
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.h, self.d = num_heads, embed_dim // num_heads
        self.in_proj = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        neg = torch.full((block_size, block_size), float("-inf"))
        self.register_buffer("neg", torch.triu(neg, diagonal=1))

    def fold(self, t):
        b, n, _ = t.shape
        return t.reshape(b, n, self.h, self.d).transpose(1, 2).reshape(b * self.h, n, self.d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        q, k, v = map(self.fold, self.in_proj(x).chunk(3, dim=-1))
        w = torch.baddbmm(self.neg[:n, :n], q, k.transpose(1, 2), alpha=self.d**-0.5)
        y = torch.bmm(self.drop(w.softmax(2)), v)
        y = y.reshape(b, self.h, n, self.d).transpose(1, 2).reshape(b, n, c)
        return self.out_proj(y)


class MLP(nn.Sequential):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        hidden = 4 * embed_dim
        super().__init__(
            nn.Linear(embed_dim, hidden),
            nn.GELU("tanh"),
            nn.Linear(hidden, embed_dim),
            nn.Dropout(dropout_p),
        )


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm(x))
        return x + self.mlp(x)


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
        self.vocab = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.where = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln = nn.LayerNorm(embed_dim)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = F.embedding(idx, self.vocab) + self.where[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln(x), self.vocab)  # the head shares the embedding matrix
