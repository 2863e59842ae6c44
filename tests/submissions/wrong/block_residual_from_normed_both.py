# verdict: fail
# part: TransformerBlock
# cause: residual-from-normed
# style: both skips start from the normed stream; SDPA with a boolean mask buffer
import torch
import torch.nn as nn
import torch.nn.functional as F


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
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


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = self.ln1(x)
        x = n + self.attn(n)
        n = self.ln2(x)
        return n + self.mlp(n)


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.num_heads = num_heads
        self.dropout_p = dropout_p
        self.qkv = nn.Linear(embed_dim, embed_dim * 3)
        self.proj = nn.Linear(embed_dim, embed_dim)
        full = torch.ones(block_size, block_size, dtype=torch.bool)
        self.register_buffer("allowed", torch.tril(full))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.size()
        # (3, B, heads, T, head_dim)
        q, k, v = self.qkv(x).view(B, T, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        rate = self.dropout_p if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.allowed[:T, :T], dropout_p=rate)
        return self.proj(y.transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        std = embed_dim**-0.5
        self.w_up = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * std)
        self.w_down = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * std / 2)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.einsum("btc,fc->btf", x, self.w_up)
        h = F.gelu(h, approximate="tanh")
        return self.drop(torch.einsum("btf,cf->btc", h, self.w_down))
