# verdict: pass
# style: read from the top down, GPT2 first and attention last, each class made of the ones below it
import torch
import torch.nn as nn
import torch.nn.functional as F


class GPT2(nn.Module):
    """Token ids (B, T) -> next-token logits (B, T, V)."""

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
        self.embed = Embed(vocab_size, block_size, embed_dim, dropout_p)
        self.blocks = nn.Sequential()
        for i in range(num_layers):
            block = TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            self.blocks.add_module(f"block{i}", block)
        self.unembed = Unembed(embed_dim, vocab_size)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        return self.unembed(self.blocks(self.embed(idx)))


class Embed(nn.Module):
    """What a token is, plus where it stands."""

    def __init__(self, vocab_size: int, block_size: int, embed_dim: int, dropout_p: float):
        super().__init__()
        self.token = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        # counts 0, 1, 2, ... along time
        where = torch.ones_like(idx).cumsum(dim=1) - 1
        return self.dropout(self.token(idx) + self.position(where))


class Unembed(nn.Module):
    def __init__(self, embed_dim: int, vocab_size: int):
        super().__init__()
        self.norm = nn.LayerNorm(embed_dim)
        self.linear = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.norm(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.attend = Residual(
            embed_dim, CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        )
        self.think = Residual(embed_dim, MLP(embed_dim, dropout_p))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.think(self.attend(x))


class Residual(nn.Module):
    """x + f(norm(x))"""

    def __init__(self, embed_dim: int, f: nn.Module):
        super().__init__()
        self.norm = nn.LayerNorm(embed_dim)
        self.f = f

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.f(self.norm(x))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        self.widen = nn.Linear(embed_dim, 4 * embed_dim)
        self.narrow = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.narrow(F.gelu(self.widen(x))))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.num_heads = num_heads
        self.key = nn.Linear(embed_dim, embed_dim)
        self.query = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.merge = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time = x.shape[1]
        k, q, v = (
            linear(x).unflatten(2, (self.num_heads, -1))
            for linear in (self.key, self.query, self.value)
        )  # each (B, T, H, D)
        match = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
        past = torch.ones(time, time, dtype=torch.bool, device=x.device).tril()
        match = match.masked_fill(past.logical_not(), -torch.inf)
        found = torch.einsum("bhqk,bkhd->bqhd", self.dropout(match.softmax(-1)), v)
        return self.dropout(self.merge(found.flatten(2)))
