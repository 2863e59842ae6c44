"""Text that a model writes while it is trained, by the submission's own generate."""

from __future__ import annotations

import torch
from torch import nn

from lab.bridge import own_generate
from lab.data.tokens import Tokens
from lab.presets import Recipe
from lab.submission import Submission


def written(
    submission: Submission,
    model: nn.Module,
    logits: nn.Module,
    tokens: Tokens,
    recipe: Recipe,
    seed: int,
) -> str:
    """One sample, drawn with chance of its own, so that training goes on as without it.

    model: the submission's, which may have a generate of its own; logits: what gives its logits.
    """
    device = next(model.parameters()).device
    start = 0 if tokens.end is None else tokens.end  # the first character is a line's end, mostly
    own = own_generate(submission, model)
    out = (own or submission.get("generation", "generate"))(
        logits,
        torch.tensor([[start]], device=device),
        recipe.sample_tokens,
        block_size=recipe.block_size,
        temperature=0.8,
        top_k=min(200, tokens.vocab_size),
        generator=torch.Generator(device).manual_seed(seed),
    )
    return tokens.decode(out[0, 1:].tolist())
