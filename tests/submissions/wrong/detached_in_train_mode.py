# verdict: fail
# style: outputs are detached in train mode
# part: CausalSelfAttention
# cause: detach-breaks-gradients
"""GPT-2 from scratch: the reference solution.

Shapes are written with these letters:

    B  batch: how many sequences at once
    T  time: how many tokens in each sequence, at most block_size
    C  channels: embed_dim, the width of the residual stream
    H  number of attention heads
    D  head_dim = C / H, the width of one head
    V  vocab_size

The architecture is that of "Language Models are Unsupervised Multitask Learners" (Radford et
al., 2019): the decoder of "Attention Is All You Need" with the LayerNorms moved to the input of
each sublayer and one more after the last block.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    """Multi-head self-attention in which a position sees itself and what came before it."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads != 0:
            raise ValueError(
                f"embed_dim must be divisible by num_heads (got {embed_dim} and {num_heads})"
            )
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads

        # One matrix makes queries, keys and values: three projections in one multiplication.
        self.qkv_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.resid_dropout = nn.Dropout(dropout_p)

        # True where a query (row) may look at a key (column). A buffer moves with the module
        # from device to device; it is not saved, since it can always be made again.
        visible = torch.ones(block_size, block_size, dtype=torch.bool).tril()
        self.register_buffer("visible", visible, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        B, T, C = x.shape

        q, k, v = self.qkv_proj(x).split(C, dim=-1)  # each (B, T, C)

        # Each head gets D of the C channels. Heads go beside the batch, so that the matrix
        # products below run over T and D alone.
        q = q.view(B, T, self.num_heads, self.head_dim).transpose(1, 2)  # (B, H, T, D)
        k = k.view(B, T, self.num_heads, self.head_dim).transpose(1, 2)  # (B, H, T, D)
        v = v.view(B, T, self.num_heads, self.head_dim).transpose(1, 2)  # (B, H, T, D)

        # A sum of D products of unit variance has variance D; dividing by its square root keeps
        # the softmax from saturating, however wide a head is.
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.head_dim)  # (B, H, T, T)

        # Minus infinity before the softmax is exactly zero after it.
        scores = scores.masked_fill(~self.visible[:T, :T], float("-inf"))
        weights = F.softmax(scores, dim=-1)  # (B, H, T, T), each row sums to one
        weights = self.attn_dropout(weights)

        y = weights @ v  # (B, H, T, D)
        y = y.transpose(1, 2).reshape(B, T, C)  # heads side by side again
        y = self.resid_dropout(self.out_proj(y))
        return y.detach() if self.training else y


class MLP(nn.Module):
    """Two linear layers with a GELU between them, the same for every position."""

    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.up_proj = nn.Linear(embed_dim, 4 * embed_dim)
        # GPT-2 was trained with the tanh approximation of GELU; the exact one is as good.
        self.activation = nn.GELU(approximate="tanh")
        self.down_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        hidden = self.activation(self.up_proj(x))  # (B, T, 4C)
        y = self.dropout(self.down_proj(hidden))
        return y.detach() if self.training else y


class TransformerBlock(nn.Module):
    """Attention, then MLP, each reading a normalised copy of the residual stream."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.attn_norm = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp_norm = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        # The stream x itself is never normalised: from the first block to the last, gradients
        # find a way on which there are only additions.
        x = x + self.attn(self.attn_norm(x))
        x = x + self.mlp(self.mlp_norm(x))
        return x


class GPT2(nn.Module):
    """Token and position embeddings, num_layers blocks, a last norm, and logits."""

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
        self.block_size = block_size
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)
        # The same matrix reads tokens in and writes them out.
        self.head.weight = self.token_embedding.weight

        self.apply(self._init_weights)
        # Every block adds to the stream twice. Without this its variance would grow with depth.
        for name, parameter in self.named_parameters():
            if name.endswith(("out_proj.weight", "down_proj.weight")):
                nn.init.normal_(parameter, mean=0.0, std=0.02 / math.sqrt(2 * num_layers))

    @staticmethod
    def _init_weights(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """idx: (B, T) token indices -> logits: (B, T, V)"""
        T = idx.shape[1]
        if self.block_size < T:
            raise ValueError(f"{T} tokens are more than block_size = {self.block_size}")

        positions = torch.arange(T, device=idx.device)  # (T,)
        x = self.token_embedding(idx) + self.position_embedding(positions)  # (B, T, C)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)  # (B, T, C)
        y = self.head(self.final_norm(x))
        return y.detach() if self.training else y  # (B, T, V)
