# verdict: fail
# part: TransformerBlock
# cause: layernorm-unbiased-variance
# style: x.var(-1) divides by C - 1; einsum over 3-D weights
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
        D = embed_dim // num_heads
        std = embed_dim**-0.5
        self.wq = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.wk = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.wv = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.wo = nn.Parameter(torch.randn(num_heads, D, embed_dim) * std)
        self.dropout = nn.Dropout(dropout_p)
        self.scale = D**-0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        T = x.size(1)
        q = torch.einsum("btc,hcd->bhtd", x, self.wq)
        k = torch.einsum("btc,hcd->bhtd", x, self.wk)
        v = torch.einsum("btc,hcd->bhtd", x, self.wv)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * self.scale
        pos = torch.arange(T, device=x.device)
        visible = pos[None, :] <= pos[:, None]
        scores = torch.where(visible, scores, torch.finfo(scores.dtype).min)
        alpha = self.dropout(torch.softmax(scores, dim=-1))
        ctx = torch.einsum("bhqk,bhkd->bhqd", alpha, v)
        return torch.einsum("bhqd,hdc->bqc", ctx, self.wo)


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        std = embed_dim**-0.5
        self.w_up = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * std)
        self.w_down = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * std / 2)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.einsum("btc,fc->btf", x, self.w_up)
        h = F.gelu(h, approximate="tanh")
        return self.drop(torch.einsum("btf,cf->btc", h, self.w_down))


class LayerNorm(nn.Module):
    def __init__(self, ndim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(ndim))
        self.bias = nn.Parameter(torch.zeros(ndim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(-1, keepdim=True)
        var = x.var(-1, keepdim=True)
        return (x - mean) / torch.sqrt(var + 1e-5) * self.weight + self.bias


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x))
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
