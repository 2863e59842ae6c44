# verdict: fail
# part: Cache
# cause: cache-changed-in-place
# style: grown in place behind a mark; a branch longer than the first takes itself for the tip
"""KV cache: a GPT-2 that reads only what is new. The reference solution.

Shapes are those of gpt2.py, and P: how many tokens the cache has read before.

    B  batch        T  new tokens     C  embed_dim     V  vocab_size
    H  heads        P  past tokens    D  head_dim
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from gpt2 import GPT2, CausalSelfAttention

# Of each block the keys and the values of all past tokens, both (B, H, P, D).
Cache = list[tuple[torch.Tensor, torch.Tensor]]


class CachedGPT2(GPT2):
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
        # The same parameters under the same names: what a GPT2 has learned loads into this.
        super().__init__(vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p)

    def forward(self, idx: torch.Tensor, cache: Any = None) -> tuple[torch.Tensor, Any]:
        """idx: (B, T) the new tokens only -> logits: (B, T, V) of these, and a cache.

        cache: what an earlier call gave back, which has read the P tokens before these; None if
        there were none. It is whatever you want it to be, and can be used again afterwards.

        Raises ValueError if P + T is more than block_size.
        """
        past: Cache = cache or []
        P = past[0][0].shape[2] if past else 0
        room = self.block_size
        T = idx.shape[1]
        if self.block_size < P + T:
            raise ValueError(
                f"{P} past and {T} new tokens are more than block_size = {self.block_size}"
            )

        # The first new token stands behind the past ones: at position P, not 0.
        positions = torch.arange(P, P + T, device=idx.device)  # (T,)
        x = self.token_embedding(idx) + self.position_embedding(positions)  # (B, T, C)
        x = self.dropout(x)

        grown: Cache = []
        for layer, block in enumerate(self.blocks):
            y, keys_and_values = _attend(
                block.attn, block.attn_norm(x), past[layer] if past else None, room
            )
            x = x + y
            x = x + block.mlp(block.mlp_norm(x))
            grown.append(keys_and_values)
        return self.head(self.final_norm(x)), grown


def _attend(
    attn: CausalSelfAttention,
    x: torch.Tensor,
    past: Any,
    room: int,
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """x: (B, T, C) of the new tokens -> (B, T, C), and all keys and values: (B, H, P + T, D).

    What a past token's key and value are does not depend on anything that comes later: that is
    why they can be kept. Queries are needed only of the new tokens.
    """
    B, T, C = x.shape
    q, k, v = attn.qkv_proj(x).split(C, dim=-1)  # each (B, T, C)
    q, k, v = (
        z.view(B, T, attn.num_heads, attn.head_dim).transpose(1, 2) for z in (q, k, v)
    )  # each (B, H, T, D)

    store = None if past is None else past[2]
    if past is not None:
        # New tensors: the cache that was given stays as it is, for whoever goes on from it again.
        k = torch.cat([past[0], k], dim=2)  # (B, H, P + T, D)
        v = torch.cat([past[1], v], dim=2)  # (B, H, P + T, D)

    k, v, store = _place(k, v, store, k.shape[2] - T, room)
    scores = q @ k.transpose(-2, -1) / math.sqrt(attn.head_dim)  # (B, H, T, P + T)
    # The last T rows of the whole mask: new token t sees the past and the new ones up to itself.
    end = k.shape[2]
    scores = scores.masked_fill(~attn.visible[end - T : end, :end], float("-inf"))
    weights = attn.attn_dropout(F.softmax(scores, dim=-1))  # (B, H, T, P + T)

    y = weights @ v  # (B, H, T, D)
    y = y.transpose(1, 2).reshape(B, T, C)
    return attn.resid_dropout(attn.out_proj(y)), (k, v, store)


class _Store:
    """Room for block_size keys and values, and how much of it is filled."""

    def __init__(self, k, room):
        B, H, _, D = k.shape
        with torch.inference_mode(False):
            self.k = torch.empty(B, H, room, D, dtype=k.dtype, device=k.device)
            self.v = torch.empty(B, H, room, D, dtype=k.dtype, device=k.device)
        self.fill = 0


def _place(k, v, store, P, room):
    end = k.shape[2]
    # Something is there already up to our end: another branch. Take new room.
    if store is None or store.fill >= end or store.k.shape[0] != k.shape[0]:
        store, P = _Store(k, room), 0
    placed = []
    for z, buffer in ((k, store.k), (v, store.v)):
        with torch.no_grad():
            buffer.data[:, :, P:end].copy_(z.detach()[:, :, P:end])
        view = buffer.data[:, :, :end]
        if z.requires_grad:
            z = z.clone()  # keeps the graph; its numbers lie in the buffer
            z.data = view
            placed.append(z)
        else:
            placed.append(view)
    store.fill = end
    return placed[0], placed[1], store
