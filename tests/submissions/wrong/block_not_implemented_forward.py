# verdict: fail
# part: TransformerBlock
# cause: not-implemented
# style: the stub of forward untouched; einsum over 3-D weights
import torch
import torch.nn.functional as F
from torch import nn


class GPT2(nn.Module):
    """GPT-2: embeddings, blocks, final norm, head."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.h = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        B, T = idx.shape
        pos = torch.arange(T, device=idx.device)
        x = self.drop(self.wte(idx) + self.wpe(pos))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


class TransformerBlock(nn.Module):
    """Attention and MLP, each with its norm and residual."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        raise NotImplementedError("TransformerBlock.forward")


class CausalSelfAttention(nn.Module):
    """Causal self-attention with several heads: (B, T, C) -> (B, T, C)."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        D = embed_dim // num_heads
        std = embed_dim**-0.5
        self.q_kernel = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.k_kernel = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.v_kernel = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.o_kernel = nn.Parameter(torch.randn(num_heads, D, embed_dim) * std)
        self.drop = nn.Dropout(dropout_p)
        self.scale = D**-0.5

    def forward(self, x):
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

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        sizes = [embed_dim, 4 * embed_dim, embed_dim]
        self.linears = nn.ModuleList(nn.Linear(i, o) for i, o in zip(sizes, sizes[1:]))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        first, second = self.linears
        return self.dropout(second(F.gelu(first(x))))
