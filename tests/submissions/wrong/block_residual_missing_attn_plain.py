# verdict: fail
# part: TransformerBlock
# cause: residual-missing-attn
# style: x = attn(ln_1(x)), the skip forgotten; q alone and kv together, additive mask
import torch
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
        if embed_dim % num_heads:
            raise ValueError("embed_dim must be a multiple of num_heads")
        self.heads = num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.kv_proj = nn.Linear(embed_dim, 2 * embed_dim, bias=False)
        self.proj = nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.Dropout(dropout_p))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        d = c // self.heads
        q = self.q_proj(x).reshape(b, n, self.heads, d).movedim(2, 1)
        k, v = self.kv_proj(x).reshape(b, n, 2, self.heads, d).permute(2, 0, 3, 1, 4)
        dots = torch.matmul(q, k.transpose(2, 3)) / d**0.5
        neg = torch.full((n, n), float("-inf"), dtype=x.dtype, device=x.device).triu(1)
        attn = self.dropout(torch.softmax(dots + neg, dim=3))
        out = torch.matmul(attn, v).movedim(1, 2).reshape(b, n, c)
        return self.proj(out)


class MLP(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(embed_dim, 4 * embed_dim, 1)
        self.conv2 = nn.Conv1d(4 * embed_dim, embed_dim, 1)
        self.act = nn.GELU()
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.act(self.conv1(x.transpose(1, 2)))
        return self.drop(self.conv2(h).transpose(1, 2))


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
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
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.learned_positions = nn.Parameter(torch.zeros(1, block_size, embed_dim))
        nn.init.normal_(self.learned_positions, std=0.01)
        self.dropout = nn.Dropout(dropout_p)
        blocks = [
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        ]
        self.encoder = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size))

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        n = idx.shape[-1]
        h = self.dropout(self.tok(idx) + self.learned_positions[:, :n, :])
        return self.head(self.encoder(h))
