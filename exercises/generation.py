"""Generation: let a language model write, token by token. Fill in `generate`.

The brief is generation.md. Shapes: B is the batch, T the length of the prompts, V the size of the
vocabulary.
"""

from __future__ import annotations

import torch
from torch import nn


def generate(
    model: nn.Module,
    idx: torch.Tensor,
    max_new_tokens: int,
    *,
    block_size: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    eos_token_id: int | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """The prompts, each with up to max_new_tokens tokens that the model goes on with.

    model: gives logits (B, T, V) for token indices (B, T), T at most block_size. idx: prompts,
    int64 of shape (B, T). Returns int64 of shape (B, T + n) with the prompts in front.

    temperature: what the logits are divided by; 0 takes the most probable token. top_k: only so
    many most probable tokens may be drawn. top_p: of those, only as many as it takes for their
    probabilities to sum to top_p. eos_token_id: a row that has produced it goes on with it; once
    every row has, the end is reached. generator: where chance comes from, if given.

    Raises ValueError for arguments that make no sense; see the brief.
    """
    raise NotImplementedError
