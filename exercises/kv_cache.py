"""KV cache: a GPT-2 that reads only what is new. Fill in `CachedGPT2`.

The brief is kv_cache.md. You may build on your own gpt2.py beside this file
(`from gpt2 import GPT2, …`), or write everything here.

Shapes: B is the batch, T the number of new tokens, P that of past ones, V the size of the
vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class CachedGPT2(nn.Module):
    """A GPT-2 that goes on from a cache of what it has read before."""

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
        raise NotImplementedError

    def forward(self, idx: torch.Tensor, cache: Any = None) -> tuple[torch.Tensor, Any]:
        """idx: (B, T) the new tokens only -> logits: (B, T, V) of these, and a cache.

        cache: what an earlier call gave back, which has read the P tokens before these; None if
        there were none. It is whatever you want it to be, and can be used again afterwards.

        Raises ValueError if P + T is more than block_size.
        """
        raise NotImplementedError
