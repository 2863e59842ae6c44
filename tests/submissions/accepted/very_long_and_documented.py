# verdict: pass
# style: long, a docstring with shapes on everything, checks with messages, one method per step
"""A minimal GPT-2.

Glossary
--------
B
    Batch size: how many sequences are processed side by side.
T
    Time: the length of these sequences, at most ``block_size``.
C
    Channels: the width of the residual stream, ``embed_dim``.
H
    The number of attention heads, ``num_heads``.
D
    The width of one head, ``C // H``.
V
    The number of different tokens, ``vocab_size``.

The architecture
----------------
Tokens and positions are embedded and added. The sum runs through ``num_layers`` blocks. Each
block adds to the stream, first what attention finds, then what the MLP makes of it; each of the
two looks at a layer-normalised copy of the stream ("pre-norm"), the stream itself is never
normalised inside of a block. After the last block comes one more LayerNorm, then a linear map to
one logit per token of the vocabulary.

References
----------
Radford et al. (2019), Language Models are Unsupervised Multitask Learners.
Vaswani et al. (2017), Attention Is All You Need.
Ba, Kiros, Hinton (2016), Layer Normalization.
Hendrycks, Gimpel (2016), Gaussian Error Linear Units.
"""

from __future__ import annotations

import math
from typing import Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F

__all__ = ["CausalSelfAttention", "MLP", "TransformerBlock", "GPT2"]

#: How many times wider than the residual stream the hidden layer of the MLP is.
MLP_RATIO: int = 4

#: Standard deviation of the initial weights, from the GPT-2 paper's code.
INIT_STD: float = 0.02


class CausalSelfAttention(nn.Module):
    """Multi-head self-attention that does not look ahead.

    Parameters
    ----------
    embed_dim : int
        Width C of the input and of the output. Must be a multiple of ``num_heads``.
    num_heads : int
        Number H of heads.
    block_size : int
        Longest sequence that will be seen. Sizes the mask.
    dropout_p : float
        Probability of dropping an attention weight, and a channel of the output.

    Raises
    ------
    ValueError
        If ``embed_dim`` is not a multiple of ``num_heads``.
    """

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
                f"embed_dim must be a multiple of num_heads, got {embed_dim} and {num_heads}"
            )

        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.block_size = block_size

        # The three projections of the input. They are separate modules here; fusing them into
        # one matrix of shape (3C, C) is faster and computes the same thing.
        self.query_projection = nn.Linear(embed_dim, embed_dim)
        self.key_projection = nn.Linear(embed_dim, embed_dim)
        self.value_projection = nn.Linear(embed_dim, embed_dim)

        # Mixes the outputs of the heads.
        self.output_projection = nn.Linear(embed_dim, embed_dim)

        self.attention_dropout = nn.Dropout(dropout_p)
        self.output_dropout = nn.Dropout(dropout_p)

        # causal_mask[i, j] is True where position i must not see position j, that is for j > i.
        # A buffer follows the module from device to device without being trained.
        causal_mask = torch.triu(
            torch.ones(block_size, block_size, dtype=torch.bool),
            diagonal=1,
        )
        self.register_buffer("causal_mask", causal_mask, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Let each position gather from itself and from what came before.

        Parameters
        ----------
        x : torch.Tensor
            Shape (B, T, C).

        Returns
        -------
        torch.Tensor
            Shape (B, T, C), the dtype of ``x``.
        """
        query, key, value = self._project(x)
        weights = self._attention_weights(query, key)
        gathered = torch.matmul(self.attention_dropout(weights), value)  # (B, H, T, D)
        merged = self._merge_heads(gathered)  # (B, T, C)
        return self.output_dropout(self.output_projection(merged))

    def _project(self, x: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values of ``x`` (B, T, C), each of shape (B, H, T, D)."""
        query = self._split_heads(self.query_projection(x))
        key = self._split_heads(self.key_projection(x))
        value = self._split_heads(self.value_projection(x))
        return query, key, value

    def _attention_weights(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """How much each position (axis 2) takes from each position (axis 3).

        Parameters
        ----------
        query, key : torch.Tensor
            Shape (B, H, T, D).

        Returns
        -------
        torch.Tensor
            Shape (B, H, T, T). Rows sum to one; entries above the diagonal are zero.
        """
        length = query.size(2)

        # A sum of D products of independent unit-variance numbers has variance D. Dividing by
        # sqrt(D) brings it back to one, so that the softmax does not saturate at the start.
        scores = torch.matmul(query, key.transpose(2, 3)) / math.sqrt(self.head_dim)

        # exp(-inf) is 0: a masked position gets no weight at all.
        scores = scores.masked_fill(self.causal_mask[:length, :length], float("-inf"))
        return F.softmax(scores, dim=-1)

    def _split_heads(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, H, T, D)."""
        batch, length, _ = x.shape
        return x.view(batch, length, self.num_heads, self.head_dim).transpose(1, 2)

    def _merge_heads(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H, T, D) -> (B, T, C)."""
        batch, _, length, _ = x.shape
        return x.transpose(1, 2).contiguous().view(batch, length, self.embed_dim)

    def extra_repr(self) -> str:
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}"


class MLP(nn.Module):
    """Two linear layers with a GELU between them, applied to each position by itself.

    Parameters
    ----------
    embed_dim : int
        Width C of the input and of the output. The hidden layer is 4 C wide.
    dropout_p : float
        Probability of dropping a channel of the output.
    """

    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.expand = nn.Linear(embed_dim, MLP_RATIO * embed_dim)
        self.activation = nn.GELU()
        self.contract = nn.Linear(MLP_RATIO * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform each position.

        Parameters
        ----------
        x : torch.Tensor
            Shape (B, T, C).

        Returns
        -------
        torch.Tensor
            Shape (B, T, C).
        """
        hidden = self.activation(self.expand(x))  # (B, T, 4C)
        return self.dropout(self.contract(hidden))  # (B, T, C)


class TransformerBlock(nn.Module):
    """Attention, then MLP; each reads a normalised copy and adds to the residual stream.

    Parameters
    ----------
    embed_dim, num_heads, block_size, dropout_p
        As for :class:`CausalSelfAttention`.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp_norm = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One layer of the model.

        Parameters
        ----------
        x : torch.Tensor
            Shape (B, T, C), the residual stream.

        Returns
        -------
        torch.Tensor
            Shape (B, T, C), the stream with both contributions added. A new tensor: ``x`` is
            left as it was.
        """
        x = x + self.attention(self.attention_norm(x))
        x = x + self.mlp(self.mlp_norm(x))
        return x


class GPT2(nn.Module):
    """The whole language model.

    Parameters
    ----------
    vocab_size : int
        Number V of tokens.
    embed_dim : int
        Width C of the residual stream.
    num_heads : int
        Number H of attention heads of each block.
    num_layers : int
        Number of blocks.
    block_size : int
        Longest sequence that the model can read.
    dropout_p : float
        Dropout probability, everywhere the same.
    """

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
        self.embedding_dropout = nn.Dropout(dropout_p)

        self.blocks = nn.ModuleList()
        for _ in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))

        self.final_norm = nn.LayerNorm(embed_dim)
        self.language_model_head = nn.Linear(embed_dim, vocab_size, bias=False)

        # GPT-2 reads and writes tokens with the same vectors.
        self.language_model_head.weight = self.token_embedding.weight

        self.apply(self._initialise)

    @staticmethod
    def _initialise(module: nn.Module) -> None:
        """Small normal weights, zero biases. LayerNorm keeps PyTorch's ones and zeros."""
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, mean=0.0, std=INIT_STD)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """Logits of the token that follows each position.

        Parameters
        ----------
        idx : torch.Tensor
            Shape (B, T), integers in [0, V).

        Returns
        -------
        torch.Tensor
            Shape (B, T, V), not normalised.

        Raises
        ------
        ValueError
            If T is larger than ``block_size``.
        """
        length = idx.size(1)
        if length > self.block_size:
            raise ValueError(
                f"cannot read {length} tokens, the model was built for {self.block_size}"
            )

        positions = torch.arange(length, device=idx.device)  # (T,)
        tokens = self.token_embedding(idx)  # (B, T, C)
        places = self.position_embedding(positions)  # (T, C), broadcast over the batch
        x = self.embedding_dropout(tokens + places)

        for block in self.blocks:
            x = block(x)

        x = self.final_norm(x)
        return self.language_model_head(x)


if __name__ == "__main__":
    # Example 1 of the exercise: shapes
    demo = GPT2(vocab_size=100, embed_dim=64, num_heads=4, num_layers=2, block_size=32)
    print(demo(torch.randint(0, 100, (2, 10))).shape)
