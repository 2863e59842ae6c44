# verdict: fail
# part: CausalSelfAttention
# cause: no-scale
# style: einsum over (B, T, H, d) without transposes; self.scale is set up and then forgotten

"""GPT-2 from scratch, the minimum that matters."""

import torch
from torch import nn
from torch.nn import functional as F


class CausalSelfAttention(nn.Module):
    """Multi-head causal self-attention with einsum."""

    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.scale = self.head_dim**-0.5
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.out = nn.Linear(embed_dim, embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.out_dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        shape = (B, T, self.num_heads, self.head_dim)
        q = self.query(x).view(shape)
        k = self.key(x).view(shape)
        v = self.value(x).view(shape)

        scores = torch.einsum("bqhd,bkhd->bhqk", q, k)
        causal = torch.ones(T, T, dtype=torch.bool, device=x.device).tril()
        scores = torch.where(causal, scores, torch.finfo(scores.dtype).min)
        attn = self.attn_dropout(torch.softmax(scores, dim=-1))

        y = torch.einsum("bhqk,bkhd->bqhd", attn, v).reshape(B, T, C)
        return self.out_dropout(self.out(y))


class MLP(nn.Module):
    # 1x1 convolutions over time do the same as a Linear at every position

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.expand = nn.Conv1d(embed_dim, 4 * embed_dim, kernel_size=1)
        self.contract = nn.Conv1d(4 * embed_dim, embed_dim, kernel_size=1)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        h = x.transpose(1, 2)  # (B, C, T)
        h = F.gelu(self.expand(h))
        h = self.contract(h).transpose(1, 2)
        return self.dropout(h)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dim) for _ in range(2)])
        self.sublayers = nn.ModuleList(
            [
                CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                MLP(embed_dim, dropout_p),
            ]
        )

    def forward(self, x):
        for norm, sublayer in zip(self.norms, self.sublayers):
            x = x + sublayer(norm(x))
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
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.token_embedding(idx) + self.position_embedding[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(self.final_norm(x))
