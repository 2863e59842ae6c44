# verdict: fail
# part: MLP
# cause: tanh-activation
# style: torch.tanh between the layers, as in a classic MLP; einsum over 3-D weights
import torch
import torch.nn as nn
import torch.nn.functional as F


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(
            {
                "ln_attn": nn.LayerNorm(embed_dim),
                "attn": CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                "ln_mlp": nn.LayerNorm(embed_dim),
                "mlp": MLP(embed_dim, dropout_p),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p = self.parts
        x = x + p["attn"](p["ln_attn"](x))
        return x + p["mlp"](p["ln_mlp"](x))


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
        self.drop = nn.Dropout(dropout_p)
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
        alpha = self.drop(torch.softmax(scores, dim=-1))
        ctx = torch.einsum("bhqk,bhkd->bhqd", alpha, v)
        return torch.einsum("bhqd,hdc->bqc", ctx, self.wo)


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.w1 = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.w2 = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.drop = nn.Dropout(p=dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.w1(x))
        return self.drop(self.w2(hidden))


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
        self.vocab = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.where = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln = nn.LayerNorm(embed_dim)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = F.embedding(idx, self.vocab) + self.where[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln(x), self.vocab)  # the head shares the embedding matrix
