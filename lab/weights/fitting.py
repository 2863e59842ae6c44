"""Weights of others in the submission's own model: its logits are theirs, or an error says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn

from lab.bridge import logits_of
from lab.building import built
from lab.errors import LabError
from lab.forms import can_be_set, head_places, put_head, settle
from lab.model import build
from lab.presets import Recipe
from lab.pretrained import Checkpoint
from lab.submission import Submission
from lab.weights.architecture import Architecture
from lab.weights.expected import logits
from lab.weights.names import with_plain_scores

_ROWS, _TOKENS = 2, 24
# float32 against float64: of numbers around 100, as GPT-2's logits are, the last digits differ.
_CLOSE, _OF_LARGEST = 1e-4, 2e-5
_EPSILONS = (1e-5, 1e-6, 1e-8, 1e-12, 1e-3)
_WORDS = {
    "activation": "activation_function",
    "layer_norm_epsilon": "layer_norm_epsilon",
    "tied": "tie_word_embeddings",
}
_ADVICE = {
    "activation": "an nn.GELU module, which the lab can set",
    "layer_norm_epsilon": "nn.LayerNorm modules, which the lab can set",
    "tied": "a head of its own, such as an nn.Linear, which the lab can untie",
}


def fitted(checkpoint: Checkpoint, submission: Submission, place: str) -> tuple[nn.Module, Recipe]:
    """The submission's model with these weights, and the recipe that builds it again.

    Raises LabError if its logits are not those of the weights, with the field that makes the
    difference.
    """
    load = submission.get("pretrained", "load_openai_weights")
    variables, plain = with_plain_scores(checkpoint.variables, checkpoint.architecture)
    try:
        recipe = _recipe(plain, submission)
        model = build(submission, recipe, plain.vocab_size)
    except LabError as error:
        raise LabError(f"{place}: {_named(error)}") from error
    try:
        load(model, variables)
    except ValueError as error:
        raise LabError(f"{place} does not fit the submission's GPT2: {error}") from error
    if checkpoint.head is not None:
        settle(model, recipe, plain.vocab_size)  # should the loading have tied it anew
    idx = drawn(plain)
    # By what the file says, not by what has been made of it.
    expected = logits(checkpoint.variables, checkpoint.architecture, idx, checkpoint.head)
    for _ in _heads_put(model, plain, checkpoint.head):
        off = difference(model, idx, expected)
        if off <= close_to(expected):
            return model, recipe
    raise LabError(_why(model, replace(checkpoint, variables=variables), plain, idx, off, place))


def _named(error: LabError) -> str:
    """What a setting of a recipe is called in a config."""
    names = {"tied_head=no": "tie_word_embeddings is False", "d_ff=": "n_inner is "}
    text = str(error)
    for ours, theirs in names.items():
        text = text.replace(ours, theirs)
    return text


def _recipe(of: Architecture, submission: Submission) -> Recipe:
    """With the forms that the submission's model has not by itself, but lets be set."""
    recipe = of.recipe()
    probe = built(submission, replace(recipe, num_layers=1), of.vocab_size)
    if not of.tied:
        recipe = replace(recipe, tied_head="no")
    if can_be_set(probe, "activation", of.activation):
        recipe = replace(recipe, activation=of.activation)
    if can_be_set(probe, "layer_norm_epsilon", of.layer_norm_epsilon):
        recipe = replace(recipe, layer_norm_epsilon=of.layer_norm_epsilon)
    return recipe


def _heads_put(model: nn.Module, of: Architecture, head: torch.Tensor | None) -> Iterator[None]:
    """Once for a head that is the token embedding; else with the head in each place for one."""
    if head is None:
        yield
        return
    places = list(head_places(model, of.vocab_size, of.embed_dim))
    for place in places:
        before = place.detach().clone()
        put_head(place, head)
        yield
        place.data.copy_(before)
    if not places:
        yield


def drawn(of: Architecture) -> torch.Tensor:
    """Tokens to try a model on, (B, T)."""
    chance = torch.Generator().manual_seed(0)
    return torch.randint(of.vocab_size, (_ROWS, min(_TOKENS, of.block_size)), generator=chance)


def close_to(expected: torch.Tensor) -> float:
    """How much logits in float32 may be off."""
    return _CLOSE + _OF_LARGEST * float(expected.abs().max())


@torch.no_grad()
def difference(model: nn.Module, idx: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference of a model's logits. Infinite if they are of another shape, or NaN."""
    training = model.training
    found = logits_of(model.eval())(idx)
    model.train(training)
    if found.shape != expected.shape:
        return float("inf")
    off = (found.double() - expected).abs().max()
    return float("inf") if off.isnan() else float(off)


def variants(of: Architecture) -> Iterator[tuple[Architecture, dict[str, object]]]:
    """Other forms that a model may have, fewest changes first, and what is changed."""
    others: dict[str, list[object]] = {
        "activation": [one for one in ("gelu", "gelu_new") if one != of.activation],
        "layer_norm_epsilon": [e for e in _EPSILONS if e != of.layer_norm_epsilon],
        "tied": [] if of.tied else [True],
    }
    changes: list[dict[str, object]] = [{}]
    for name, values in others.items():
        changes += [{**change, name: value} for change in changes for value in values]
    for change in sorted(changes, key=len)[1:]:
        yield replace(of, **change), change  # type: ignore[arg-type]  # each of its field's type


def _why(
    model: nn.Module,
    checkpoint: Checkpoint,
    of: Architecture,
    idx: torch.Tensor,
    off: float,
    place: str,
) -> str:
    """Which fields of the config the submission's model does not follow."""
    for other, change in variants(of):
        head = None if other.tied else checkpoint.head
        found = logits(checkpoint.variables, other, idx, head)
        if difference(model, idx, found) <= close_to(found):
            told = "; ".join(
                f"{_WORDS[name]} is {getattr(of, name)!r}, and the submission's model computes "
                f"with {value!r}: give it {_ADVICE[name]}"
                for name, value in change.items()
            )
            return f"{place}: {told} (its logits would be off by up to {off:.2g})"
    return (
        f"{place}: with these weights the submission's logits are off by up to {off:.2g}; "
        "`grader grade` on gpt2.py, and `grader grade --exercise pretrained`, tell what differs"
    )
