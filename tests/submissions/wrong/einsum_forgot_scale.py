# verdict: fail
# part: CausalSelfAttention
# cause: no-scale
# style: einsum with (H, C, D) parameters; the division by sqrt(d) was never written
import torch
from torch import nn
from torch.nn import functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        d = embed_dim // num_heads
        self.wq = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.wk = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.wv = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.wo = nn.Parameter(torch.randn(num_heads, d, embed_dim) * 0.02)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        T = x.shape[1]
        q = torch.einsum("btc,hcd->bhtd", x, self.wq)
        k = torch.einsum("btc,hcd->bhtd", x, self.wk)
        v = torch.einsum("btc,hcd->bhtd", x, self.wv)
        scores = torch.einsum("bhtd,bhsd->bhts", q, k)
        causal = torch.ones(T, T, dtype=torch.bool, device=x.device).tril()
        probs = self.drop(scores.masked_fill(~causal, float("-inf")).softmax(-1))
        return self.drop(torch.einsum("bhts,bhsd,hdc->btc", probs, v, self.wo))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * 0.02)
        self.w2 = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * 0.02)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(F.gelu(x @ self.w1, approximate="tanh") @ self.w2)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm_1(x))
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
    ):
        super().__init__()
        self.tok = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.pos = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.tok[idx] + self.pos[: idx.shape[1]])
        return self.norm(x) @ self.tok.T
