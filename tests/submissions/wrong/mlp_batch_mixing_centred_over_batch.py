# verdict: fail
# part: MLP
# cause: batch-mixing
# style: hidden units are centred over the batch; einsum over 3-D weights
import torch
import torch.nn as nn
import torch.nn.functional as F


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
        D = embed_dim // num_heads
        std = embed_dim**-0.5
        self.q_kernel = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.k_kernel = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.v_kernel = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.o_kernel = nn.Parameter(torch.randn(num_heads, D, embed_dim) * std)
        self.drop = nn.Dropout(dropout_p)
        self.scale = D**-0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        T = x.size(1)
        q = torch.einsum("btc,hcd->bhtd", x, self.q_kernel)
        k = torch.einsum("btc,hcd->bhtd", x, self.k_kernel)
        v = torch.einsum("btc,hcd->bhtd", x, self.v_kernel)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * self.scale
        pos = torch.arange(T, device=x.device)
        visible = pos[None, :] <= pos[:, None]
        scores = torch.where(visible, scores, torch.finfo(scores.dtype).min)
        attn = self.drop(torch.softmax(scores, dim=-1))
        ctx = torch.einsum("bhqk,bhkd->bhqd", attn, v)
        return torch.einsum("bhqd,hdc->bqc", ctx, self.o_kernel)


class MLP(nn.Module):
    """Feed-forward part of the block, hidden width 4 * embed_dim."""

    def __init__(
        self,
        embed_dim: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.fc(x)
        h = h - h.mean(dim=0, keepdim=True)
        h = F.gelu(h)
        return self.dropout(self.proj(h))


class TransformerBlock(nn.Module):
    """One pre-norm transformer block."""

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
        self.places = nn.Embedding(block_size, embed_dim)
        self.register_buffer("position_ids", torch.arange(block_size), persistent=False)
        self.embd_drop = nn.Dropout(dropout_p)
        self.num_layers = num_layers
        for i in range(num_layers):
            self.add_module(
                f"block{i}", TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            )
        self.final_layer_norm = nn.LayerNorm(embed_dim)
        self.classifier = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        positions = self.position_ids[: idx.size(1)]
        hidden = self.embd_drop(self.tokens(idx) + self.places(positions))
        for i in range(self.num_layers):
            hidden = getattr(self, f"block{i}")(hidden)
        return self.classifier(self.final_layer_norm(hidden))
