# verdict: fail
# part: GPT2
# cause: position-off-by-one
# style: positions start at 1 and the index error was silenced with clamp, shows at T = block_size
import torch
import torch.nn.functional as F
from torch import nn


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * 0.02)
        self.b1 = nn.Parameter(torch.zeros(4 * embed_dim))
        self.w2 = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * 0.02)
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        hidden = F.gelu(x @ self.w1 + self.b1)
        return self.dropout(hidden @ self.w2 + self.b2)


class CausalSelfAttention(nn.Module):
    """Multi-head masked self-attention, one projection per role."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError("embed_dim must be divisible by num_heads")
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.k_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.v_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.dropout = nn.Dropout(dropout_p)

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        b, t, _ = x.shape
        return x.view(b, t, self.num_heads, self.head_dim).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, c = x.shape
        q = self._split(self.q_proj(x))
        k = self._split(self.k_proj(x))
        v = self._split(self.v_proj(x))
        scores = torch.matmul(q, k.transpose(2, 3)) / self.head_dim**0.5
        ones = torch.ones(t, t, dtype=torch.bool, device=x.device)
        future = ones.triu(diagonal=1)
        weights = scores.masked_fill(future, float("-inf")).softmax(dim=-1)
        context = torch.matmul(self.dropout(weights), v)
        context = context.transpose(1, 2).reshape(b, t, c)
        return self.out_proj(context)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p=dropout_p)
        self.mlp = MLP(embed_dim, dropout_p=dropout_p)
        self.g1 = nn.Parameter(torch.ones(embed_dim))
        self.b1 = nn.Parameter(torch.zeros(embed_dim))
        self.g2 = nn.Parameter(torch.ones(embed_dim))
        self.b2 = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, x):
        shape = x.shape[-1:]
        x = x + self.attn(F.layer_norm(x, shape, self.g1, self.b1))
        x = x + self.mlp(F.layer_norm(x, shape, self.g2, self.b2))
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
        self.block_size = block_size
        self.token_emb = nn.Embedding(vocab_size, embed_dim)
        self.position_emb = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def positions(self, idx: torch.Tensor) -> torch.Tensor:
        counts = torch.ones_like(idx).cumsum(dim=1)
        return counts.clamp(max=self.block_size - 1)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.token_emb(idx) + self.position_emb(self.positions(idx))
        x = self.dropout(x)
        for blk in self.blocks:
            x = blk(x)
        return self.head(self.ln(x))
