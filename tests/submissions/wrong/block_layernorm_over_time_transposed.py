# verdict: fail
# part: TransformerBlock
# cause: layernorm-over-time
# style: F.layer_norm of the transpose over T; 1x1 convolutions, channels first
import math

import torch
import torch.nn.functional as F
from torch import nn


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
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        B, T = idx.shape
        pos = torch.arange(T, device=idx.device)
        x = self.drop(self.tok_emb(idx) + self.pos_emb(pos))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


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
        self.gamma_1 = nn.Parameter(torch.ones(embed_dim))
        self.beta_1 = nn.Parameter(torch.zeros(embed_dim))
        self.gamma_2 = nn.Parameter(torch.ones(embed_dim))
        self.beta_2 = nn.Parameter(torch.zeros(embed_dim))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def norm(self, x, gamma, beta):
        z = F.layer_norm(x.transpose(1, 2), (x.size(1),)).transpose(1, 2)
        return z * gamma + beta

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm(x, self.gamma_1, self.beta_1))
        return x + self.mlp(self.norm(x, self.gamma_2, self.beta_2))


class CausalSelfAttention(nn.Module):
    """Multi-head attention that looks only backwards."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.groups = num_heads
        self.qkv = nn.Conv1d(embed_dim, 3 * embed_dim, kernel_size=1)
        self.out = nn.Conv1d(embed_dim, embed_dim, kernel_size=1)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, c = x.shape
        z = self.qkv(x.transpose(1, 2)).view(b, 3, self.groups, c // self.groups, t)
        q, k, v = z.unbind(1)
        s = q.transpose(2, 3) @ k / math.sqrt(c // self.groups)
        later = torch.triu(torch.ones_like(s, dtype=torch.bool), diagonal=1)
        p = self.dropout(s.masked_fill(later, float("-inf")).softmax(-1))
        y = (v @ p.transpose(2, 3)).reshape(b, c, t)
        return self.dropout(self.out(y)).transpose(1, 2)


class MLP(nn.Sequential):
    """Two linear layers with a GELU in between."""

    def __init__(
        self,
        embed_dim: int,
        dropout_p: float = 0.0,
    ) -> None:
        hidden = 4 * embed_dim
        super().__init__(
            nn.Linear(embed_dim, hidden),
            nn.GELU("tanh"),
            nn.Linear(hidden, embed_dim),
            nn.Dropout(dropout_p),
        )
