"""Weights to begin with: of a run, or of a GPT-2 that others have trained."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from lab.checkpoint import WEIGHTS, read_weights, weights_of
from lab.data.tokens import Tokens
from lab.data.vocabularies import vocabulary
from lab.errors import LabError
from lab.presets import Recipe
from lab.pretrained import read_folder
from lab.run_folder import LANGUAGE_MODEL, Run, find
from lab.submission import Submission
from lab.weights.fitting import fitted


@dataclass(frozen=True)
class Origin:
    """Weights by the names of the submission's model, what builds that, and its tokens."""

    place: Path
    recipe: Recipe
    vocab_size: int
    tokens: Tokens
    weights: dict[str, torch.Tensor]


def run_at(place: Path) -> Run | None:
    """The run whose folder or checkpoint this is; None if it holds weights of others."""
    for folder in (place, *place.parents[:2]):
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return find(place, LANGUAGE_MODEL) if "recipe" in config else None
    return None


def origin_of(place: Path, code: Submission, merges: Path | None) -> Origin:
    """What lies there: a run, a checkpoint of one, or weights as `lab load-gpt2` reads them.

    Raises LabError.
    """
    run = run_at(place)
    if run is not None:
        own = place if place.suffix == ".safetensors" else place / WEIGHTS
        weights = read_weights(own if own.is_file() else run.weights())
        vocab_size: int = run.facts["vocab_size"]
        return Origin(place, run.recipe, vocab_size, run.tokens(code), weights)
    checkpoint = read_folder(place)
    vocab_size = checkpoint.architecture.vocab_size
    tokens = vocabulary(place, merges, vocab_size, code)
    model, recipe = fitted(checkpoint, code, str(place))
    if tokens is None:
        raise LabError(
            f"{place} has no vocabulary of {vocab_size} tokens, and none fits: name one with "
            "--merges"
        )
    return Origin(place, recipe, vocab_size, tokens, weights_of(model))
