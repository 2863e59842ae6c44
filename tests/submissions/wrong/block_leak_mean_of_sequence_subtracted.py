# verdict: fail
# part: TransformerBlock
# cause: leak-via-sequence-mean
# style: attention input centred over the sequence; einsum over 3-D weights
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    """Causal self-attention with several heads: (B, T, C) -> (B, T, C)."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        D = embed_dim // num_heads
        std = embed_dim**-0.5
        self.q_kernel = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.k_kernel = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.v_kernel = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.o_kernel = nn.Parameter(torch.randn(num_heads, D, embed_dim) * std)
        self.dropout = nn.Dropout(dropout_p)
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
        attn = self.dropout(torch.softmax(scores, dim=-1))
        ctx = torch.einsum("bhqk,bhkd->bhqd", attn, v)
        return torch.einsum("bhqd,hdc->bqc", ctx, self.o_kernel)


class MLP(nn.Module):
    """Feed-forward part of the block, hidden width 4 * embed_dim."""

    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        width = embed_dim * 4
        self.win = nn.Parameter(torch.randn(embed_dim, width) * 0.02)
        self.bin = nn.Parameter(torch.zeros(width))
        self.wout = nn.Parameter(torch.randn(width, embed_dim) * 0.02)
        self.bout = nn.Parameter(torch.zeros(embed_dim))
        self.rate = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.gelu(x @ self.win + self.bin) @ self.wout + self.bout
        return F.dropout(y, p=self.rate, training=self.training)


class TransformerBlock(nn.Module):
    """One pre-norm transformer block."""

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
        h = self.ln1(x)
        x = x + self.attn(h - h.mean(dim=1, keepdim=True))
        return x + self.mlp(self.ln2(x))


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
    ):
        super().__init__()
        self.emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_table = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.stack = nn.Sequential(
            *(
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            )
        )
        self.ln_out = nn.LayerNorm(embed_dim)
        self.out = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.emb(idx) + self.pos_table[: idx.size(1)]
        return self.out(self.ln_out(self.stack(x)))
