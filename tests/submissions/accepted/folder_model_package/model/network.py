import torch
from torch import Tensor, nn

from model.layers import MLP, CausalSelfAttention


class TransformerBlock(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm_1(x))
        return x + self.mlp(self.norm_2(x))


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
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Parameter(torch.randn(1, block_size, embed_dim) * 0.02)
        self.blocks = nn.Sequential(
            *(
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            )
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, idx: Tensor) -> Tensor:
        x = self.embedding(idx) + self.positions[:, : idx.shape[1]]
        return self.head(self.norm(self.blocks(x)))
