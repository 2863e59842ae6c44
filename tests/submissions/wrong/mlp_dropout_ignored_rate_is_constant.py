# verdict: fail
# part: MLP
# cause: dropout-ignored
# style: a rate of 0.1 written in, whatever dropout_p says
import torch
import torch.nn.functional as F
from torch import nn


class TransformerBlock(nn.Module):
    """Attention and MLP, each with its norm and residual."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.dim = embed_dim
        self.gain_a = nn.Parameter(torch.ones(embed_dim))
        self.shift_a = nn.Parameter(torch.zeros(embed_dim))
        self.gain_m = nn.Parameter(torch.ones(embed_dim))
        self.shift_m = nn.Parameter(torch.zeros(embed_dim))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(F.layer_norm(x, (self.dim,), self.gain_a, self.shift_a))
        return x + self.mlp(F.layer_norm(x, (self.dim,), self.gain_m, self.shift_m))


class CausalSelfAttention(nn.Module):
    """Masked multi-head self-attention."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_head, self.d_head = num_heads, embed_dim // num_heads
        self.query = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.key = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.value = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.out = nn.Linear(self.n_head * self.d_head, embed_dim, bias=False)
        self.dropatt = nn.Dropout(dropout_p)
        steps = torch.arange(block_size)
        self.register_buffer("hidden", steps[None, :] > steps[:, None], persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = (x.size(0), x.size(1), self.n_head, self.d_head)
        q, k, v = self.query(x).view(shape), self.key(x).view(shape), self.value(x).view(shape)
        score = torch.einsum("bihd,bjhd->bhij", q, k) / self.d_head**0.5
        score.masked_fill_(self.hidden[: shape[1], : shape[1]], float("-inf"))
        prob = self.dropatt(score.softmax(dim=-1))
        vec = torch.einsum("bhij,bjhd->bihd", prob, v)
        return self.dropatt(self.out(vec.flatten(2)))


class MLP(nn.Module):
    """Two linear layers with a GELU in between."""

    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(embed_dim, embed_dim * 4)
        self.linear_2 = nn.Linear(embed_dim * 4, embed_dim)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.linear_2(F.gelu(self.linear_1(x))))


class GPT2(nn.Module):
    """GPT-2: embeddings, blocks, final norm, head."""

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
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.trunk = nn.Sequential(
            *(
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            )
        )
        self.ln = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.tokens(idx) + self.positions[: idx.size(1)]
        return self.unembed(self.ln(self.trunk(x)))
