"""Functions and methods called for each of many values, and attributes of what is held."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

import torch


def each(
    target: Any, method: str, items: list[Any], given: dict[str, Any]
) -> tuple[list[Any], torch.Tensor]:
    """What it, or its method, gives for each item, and the seconds of processor time it took.

    given: arguments by name, the same for each.
    """
    called: Callable[..., Any] = getattr(target, method) if method else target
    values, seconds = [], []
    for item in items:
        started = process_time()
        values.append(called(item, **given))
        seconds.append(process_time() - started)
    return values, torch.tensor(seconds, dtype=torch.float64)


def attribute(of: Any, name: str) -> Any:
    """The value of an attribute."""
    return getattr(of, name)


def itself(value: Any) -> Any:
    """The value, to be held."""
    return value
