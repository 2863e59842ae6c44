# verdict: fail
# part: MLP
# cause: batch-mixing
# style: tokens flattened time first and unflattened batch first; one module per head
import torch
import torch.nn.functional as F
from torch import nn


class Head(nn.Module):
    """A single head of causal attention."""

    def __init__(self, embed_dim, head_size, block_size, dropout_p):
        super().__init__()
        self.key = nn.Linear(embed_dim, head_size, bias=False)
        self.query = nn.Linear(embed_dim, head_size, bias=False)
        self.value = nn.Linear(embed_dim, head_size, bias=False)
        self.register_buffer("tril", torch.tril(torch.ones(block_size, block_size)))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        T = x.shape[1]
        k, q = self.key(x), self.query(x)
        wei = q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5
        wei = wei.masked_fill(self.tril[:T, :T] == 0, float("-inf"))
        wei = self.dropout(F.softmax(wei, dim=-1))
        return wei @ self.value(x)


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


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.mixer = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)
        self.attn_norm = nn.LayerNorm(embed_dim, eps=1e-5)
        self.mlp_norm = nn.LayerNorm(embed_dim, eps=1e-5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        residual = x
        hidden_states = self.attn_norm(x)
        hidden_states = self.mixer(hidden_states) + residual
        residual = hidden_states
        hidden_states = self.mlp_norm(hidden_states)
        return residual + self.feed_forward(hidden_states)


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        head_size = embed_dim // num_heads
        self.heads = nn.ModuleList(
            [Head(embed_dim, head_size, block_size, dropout_p) for _ in range(num_heads)]
        )
        self.mix = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = torch.cat([h(x) for h in self.heads], dim=-1)
        return self.dropout(self.mix(out))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, 4 * embed_dim)
        self.down = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        flat = x.transpose(0, 1).reshape(B * T, C)
        flat = self.down(F.gelu(self.up(flat)))
        return self.dropout(flat.view(B, T, C))
