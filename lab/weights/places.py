"""Where a submission's model keeps GPT-2's weights: told by its own load_openai_weights.

It is given numbers that say which weight they stand for, and where these come out they belong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from lab.errors import LabError
from lab.forms import head_places
from lab.model import build
from lab.presets import Recipe
from lab.submission import Submission
from lab.weights.architecture import Architecture
from lab.weights.names import shapes

_DIGIT = 2**16  # float32 tells twice as many whole numbers apart


@dataclass(frozen=True)
class Found:
    """Weights under OpenAI's names, and all tables (V, C) that may be the tokens' or the head's."""

    variables: dict[str, torch.Tensor]
    tables: list[torch.Tensor]


def found_in(model: nn.Module, submission: Submission, recipe: Recipe, of: Architecture) -> Found:
    """The weights of a model. Raises LabError where it cannot be told which is which.

    What the model has not is what changes nothing: a bias of 0, a gain of 1.
    """
    numbers = _numbers(submission, recipe, of)
    expected = shapes(of)
    flat = torch.cat([torch.full((math.prod(s),), _neutral(n)) for n, s in expected.items()])
    there = torch.zeros(len(flat), dtype=torch.bool)
    table = of.vocab_size * of.embed_dim  # comes first
    tables = [as_table(place, of) for place in head_places(model, of.vocab_size, of.embed_dim)]
    for name, parameter in model.named_parameters():
        taken = numbers[name] >= 0
        places, values = numbers[name][taken], parameter.detach().cpu().float()[taken]
        if len(places) == table and int(places.max()) < table:
            tables.append(torch.empty(table).index_copy(0, places, values).view(of.vocab_size, -1))
        flat[places] = values
        there[places] = True
    variables, start = {}, 0
    for name, shape in expected.items():
        end = start + math.prod(shape)
        known = there[start:end]
        if not known.all() and (known.any() or math.isnan(_neutral(name))):
            raise LabError(
                f"load_openai_weights of the submission puts {name} nowhere, or changes its values "
                "on the way: so it cannot be told where they are in the model"
            )
        variables[name], start = flat[start:end].view(shape), end
    return Found(variables, tables or [variables["model/wte"]])


def as_table(place: nn.Parameter, of: Architecture) -> torch.Tensor:
    """A head as (V, C)."""
    weight = place.detach().cpu().float()
    return weight if weight.shape[0] == of.vocab_size else weight.T


def _neutral(name: str) -> float:
    """What a weight is that a model does without; NaN where it cannot."""
    return {"b": 0.0, "g": 1.0}.get(name.rpartition("/")[2], math.nan)


def _numbers(submission: Submission, recipe: Recipe, of: Architecture) -> dict[str, torch.Tensor]:
    """For each element of each parameter which weight it is, counted through; -1: none."""
    load = submission.get("pretrained", "load_openai_weights")
    digits = []
    for place in range(2):
        probe = build(submission, recipe, of.vocab_size)
        with torch.no_grad():
            for parameter in probe.parameters():
                parameter.fill_(math.nan)
        try:
            load(probe, _tagged(of, place))
        except ValueError as error:
            raise LabError(
                f"load_openai_weights does not take the model's sizes: {error}"
            ) from error
        digits.append(dict(probe.named_parameters()))
    low, high = digits
    return {name: _together(low[name].detach(), high[name].detach()) for name in low}


def _tagged(of: Architecture, digit: int) -> Mapping[str, torch.Tensor]:
    """Variables whose values count all weights, in one digit of their numbers.

    And a half: so nothing that a model has by itself is taken for one.
    """
    found, start = {}, 0
    for name, shape in shapes(of).items():
        numbers = torch.arange(start, start + math.prod(shape))
        found[name] = (numbers // _DIGIT**digit % _DIGIT).float().view(shape) + 0.5
        start += math.prod(shape)
    return found


def _together(low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    halves = torch.stack([low, high]).cpu() - 0.5
    known = ((halves == halves.round()) & (halves >= 0)).all(0)
    numbers = halves.nan_to_num(0).long()
    return torch.where(known, numbers[0] + numbers[1] * _DIGIT, -1)
