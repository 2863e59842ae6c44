"""Calls of a submission in words: what was built or called, with which arguments and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grader.sandbox.client.exchange import Generator, RemoteRef, Scripted
from grader.sandbox.client.worker import Values

_LONG = 60  # characters of one argument
# Which of a question's arrays is the input; before it come the values of the parameters.
_INPUTS = {"sweep": 1, "gradient": 1, "trace": 0}


def built(name: str, args: Sequence[object], kwargs: Mapping[str, object]) -> str:
    """Such as CausalSelfAttention(embed_dim=6, num_heads=2, block_size=7)."""
    words = [*map(_shown, args), *(f"{key}={_shown(value)}" for key, value in kwargs.items())]
    return f"{name}({', '.join(words)})"


def asked(made: str, question: str, arrays: Sequence[Values], header: Mapping[str, Any]) -> str:
    """What a question calls of a model that was made so: `made`(x of (1, 2, 6))."""
    if question == "call":
        inputs = arrays[1 if header.get("theta") else 0 :]
    elif question in _INPUTS:
        inputs = arrays[_INPUTS[question] :][:1]
    else:
        return made
    mode = ".train()" if header.get("train") else ""
    inside = header.get("path") or next(iter(header.get("paths", ())), "")
    path = f".{inside}" if inside else ""
    shapes = dict.fromkeys(_of_shape("idx" if x.dtype == np.int64 else "x", x) for x in inputs)
    calls = [f"{made}{mode}{path}({shape})" for shape in shapes]
    return f"{calls[0]}, or with {', '.join(list(shapes)[1:4])}" if calls[1:] else "".join(calls)


def called(name: str, args: Sequence[object], given: Mapping[str, object]) -> str:
    """Such as generate(model, idx of (1, 3), temperature=0)."""
    words = [_argument("", value) for value in args]
    words += [_argument(key, value) for key, value in given.items()]
    return f"{name}({', '.join(words)})"


def _argument(key: str, value: object) -> str:
    if isinstance(value, np.ndarray):
        return _of_shape(key or "tensor", value)
    if isinstance(value, Scripted | RemoteRef):
        return key or "model"
    shown = f"Generator({value.seed})" if isinstance(value, Generator) else _shown(value)
    return f"{key}={shown}" if key else shown


def _of_shape(name: str, values: Values) -> str:
    return f"{name} of {values.shape}"


def _shown(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"
