# verdict: fail
# part: TransformerBlock
# cause: no-mlp
# style: the second line, pasted, still says attn; SDPA with a boolean mask buffer
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout_p = dropout_p
        self.attn_in = nn.Linear(embed_dim, embed_dim * 3)
        self.attn_out = nn.Linear(embed_dim, embed_dim)
        full = torch.ones(block_size, block_size, dtype=torch.bool)
        self.register_buffer("lower", torch.tril(full))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.size()
        # (3, B, heads, T, head_dim)
        q, k, v = self.attn_in(x).view(B, T, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        rate = self.dropout_p if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.lower[:T, :T], dropout_p=rate)
        return self.attn_out(y.transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
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
        self.first_norm = nn.LayerNorm(embed_dim)
        self.second_norm = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.first_norm(x))
        x = x + self.attn(self.second_norm(x))
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
        self.E = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.P = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln = nn.LayerNorm(embed_dim)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = F.embedding(idx, self.E) + self.P[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln(x), self.E)  # the head shares the embedding matrix
