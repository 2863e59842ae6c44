# verdict: fail
# part: MLP
# cause: gelu-on-input
# style: pre-activation order: act, widen, narrow; q alone and kv together, additive mask
import torch
import torch.nn as nn
import torch.nn.functional as F


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.seq = nn.Sequential()
        self.seq.append(nn.GELU(approximate="tanh"))
        self.seq.append(nn.Linear(embed_dim, 4 * embed_dim))
        self.seq.append(nn.Linear(4 * embed_dim, embed_dim))
        self.seq.append(nn.Dropout(dropout_p))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.seq(x)


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError("embed_dim must be a multiple of num_heads")
        self.heads = num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.kv_proj = nn.Linear(embed_dim, 2 * embed_dim, bias=False)
        self.proj = nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.Dropout(dropout_p))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        d = c // self.heads
        q = self.q_proj(x).reshape(b, n, self.heads, d).movedim(2, 1)
        k, v = self.kv_proj(x).reshape(b, n, 2, self.heads, d).permute(2, 0, 3, 1, 4)
        dots = torch.matmul(q, k.transpose(2, 3)) / d**0.5
        neg = torch.full((n, n), float("-inf"), dtype=x.dtype, device=x.device).triu(1)
        attn = self.drop(torch.softmax(dots + neg, dim=3))
        out = torch.matmul(attn, v).movedim(1, 2).reshape(b, n, c)
        return self.proj(out)


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.ff = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x))
        x = x + self.ff(self.norm2(x))
        return x


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
