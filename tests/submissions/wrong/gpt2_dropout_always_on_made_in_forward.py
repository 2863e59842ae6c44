# verdict: fail
# part: GPT2
# cause: dropout-always-on
# style: an nn.Dropout made anew in forward, which is always in train mode
import torch
from torch import nn
from torch.nn import functional as F


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
        self.p = dropout_p
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Parameter(0.01 * torch.randn(block_size, embed_dim))
        self.blocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.wte(idx) + self.wpe[: idx.size(1)]
        x = nn.Dropout(self.p)(x)
        x = self.blocks(x)
        return self.lm_head(self.ln_f(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.ln_attn = nn.LayerNorm(embed_dim, bias=False)
        self.ln_mlp = nn.LayerNorm(embed_dim, bias=False)
        self.attn = CausalSelfAttention(
            embed_dim=embed_dim, num_heads=num_heads, block_size=block_size, dropout_p=dropout_p
        )
        self.mlp = MLP(embed_dim=embed_dim, dropout_p=dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_attn(x))
        return x + self.mlp(self.ln_mlp(x))


class MLP(nn.Module):
    """Position-wise feed-forward: C -> 4C -> C."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        hidden = 4 * embed_dim
        self.fc1 = nn.Linear(embed_dim, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, embed_dim, bias=False)
        self.p = dropout_p

    def forward(self, x):
        x = self.fc2(F.gelu(self.fc1(x), approximate="tanh"))
        return F.dropout(x, p=self.p, training=self.training)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.scale = (embed_dim // num_heads) ** -0.5
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key_value = nn.Linear(embed_dim, 2 * embed_dim)
        self.output = nn.Linear(embed_dim, embed_dim)
        self.p_attn = nn.Dropout(dropout_p)
        self.p_out = nn.Dropout(dropout_p)

    def forward(self, x):
        b, t, c = x.shape
        h = self.num_heads
        d = c // h
        q = self.query(x).view(b, t, h, d) * self.scale
        k, v = self.key_value(x).split(c, dim=-1)
        k = k.reshape(b, t, h, d)
        v = v.reshape(b, t, h, d)
        logits = torch.einsum("bihd,bjhd->bhij", q, k)
        pos = torch.arange(t, device=x.device)
        logits = logits.masked_fill(pos[None, :] > pos[:, None], float("-inf"))
        attn = self.p_attn(logits.softmax(dim=-1))
        mixed = torch.einsum("bhij,bjhd->bihd", attn, v).reshape(b, t, c)
        return self.p_out(self.output(mixed))
