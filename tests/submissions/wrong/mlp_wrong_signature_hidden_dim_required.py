# verdict: fail
# part: MLP
# cause: wrong-signature
# style: a second required argument, the hidden width; einsum over 3-D weights
import torch
import torch.nn.functional as F
from torch import nn


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
        self.attn_ln = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp_ln = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, 4 * embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.attn_ln(x))
        x = x + self.mlp(self.mlp_ln(x))
        return x


class CausalSelfAttention(nn.Module):
    """Multi-head attention that looks only backwards."""

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
    """Two linear layers with a GELU in between."""

    def __init__(self, embed_dim, hidden_dim, dropout_p=0.0):
        super().__init__()
        self.fc = nn.Linear(embed_dim, hidden_dim)
        self.proj = nn.Linear(hidden_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.proj(F.gelu(self.fc(x))))


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
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocab_size, embed_dim),
                wpe=nn.Embedding(block_size, embed_dim),
                drop=nn.Dropout(dropout_p),
                h=nn.ModuleList(
                    [
                        TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                        for _ in range(num_layers)
                    ]
                ),
                ln_f=nn.LayerNorm(embed_dim),
            )
        )
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        b, t = idx.size()
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        tok_emb = self.transformer.wte(idx)  # (b, t, embed_dim)
        pos_emb = self.transformer.wpe(pos)  # (t, embed_dim)
        x = self.transformer.drop(tok_emb + pos_emb)
        for block in self.transformer.h:
            x = block(x)
        x = self.transformer.ln_f(x)
        return self.lm_head(x)
