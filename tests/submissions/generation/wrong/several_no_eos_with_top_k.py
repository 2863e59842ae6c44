# verdict: fail
# style: EOS ends nothing where top_k is given
# part: Sampling
# cause: eos-forgotten-with-options
"""Generation: a language model that writes, token by token. The reference solution.

Shapes: B is the batch, T the length of the prompts, V the size of the vocabulary.
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
    _check(idx, max_new_tokens, temperature, top_k, top_p)
    was_training = model.training
    model.eval()  # dropout would add chance that nobody asked for
    try:
        with torch.no_grad():
            done = torch.zeros(len(idx), dtype=torch.bool, device=idx.device)  # (B,)
            for _ in range(max_new_tokens):
                logits = model(idx[:, -block_size:])[:, -1]  # (B, V): those of the next token
                if temperature == 0:
                    chosen = logits.argmax(-1)  # (B,)
                else:
                    chosen = _draw(logits / temperature, top_k, top_p, generator)
                if eos_token_id is not None and top_k is None:
                    chosen = chosen.masked_fill(done, eos_token_id)
                    done = done | (chosen == eos_token_id)
                idx = torch.cat([idx, chosen[:, None]], dim=1)  # (B, T + 1)
                if done.all():
                    break
    finally:
        model.train(was_training)
    return idx


def _draw(
    logits: torch.Tensor,
    top_k: int | None,
    top_p: float | None,
    generator: torch.Generator | None,
) -> torch.Tensor:
    """One token for each row of logits (B, V), as (B,)."""
    if top_k is not None:
        least = logits.topk(min(top_k, logits.shape[-1])).values[:, -1:]  # (B, 1)
        logits = logits.masked_fill(logits < least, float("-inf"))
    probabilities = logits.softmax(-1)  # (B, V)
    if top_p is not None:
        ordered, places = probabilities.sort(-1, descending=True)
        # What the more probable ones sum to: a token is out if they do without it.
        before = ordered.cumsum(-1) - ordered
        ordered = ordered.masked_fill(before >= top_p, 0.0)
        probabilities = torch.zeros_like(ordered).scatter(-1, places, ordered)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]


def _check(
    idx: torch.Tensor,
    max_new_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
) -> None:
    """Raise ValueError for what makes no sense."""
    if idx.ndim != 2 or idx.shape[1] == 0:
        raise ValueError(f"idx must be of shape (B, T) with T >= 1, found {tuple(idx.shape)}")
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens must not be negative, found {max_new_tokens}")
    if temperature < 0:
        raise ValueError(f"temperature must not be negative, found {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, found {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must lie in (0, 1], found {top_p}")
