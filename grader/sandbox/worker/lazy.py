"""Lazy layers of torch's, whose parameters have no shapes before the first call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy


def settle(module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Call a model that has lazy layers once, for its parameters to get their shapes.

    args, kwargs: with which it was made, by the brief's signatures. That of a GPT2, which takes
    tokens, begins with vocab_size and embed_dim; the others' begin with embed_dim.
    """
    if not any(is_lazy(parameter) for parameter in module.parameters()):
        return
    tokens = "vocab_size" in kwargs or len(args) > 4
    width = kwargs["embed_dim"] if kwargs else args[0]
    x = torch.zeros((1, 1), dtype=torch.int64) if tokens else torch.zeros((1, 1, width))
    with torch.no_grad():
        module.eval()(x)
    module.train()
