"""A function of the submission, called in its worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grader.remote.faults import CandidateError
from grader.remote.subject import Subject
from grader.remote.worker import Values


@dataclass(frozen=True)
class Scripted:
    """A model with known logits, to be made in the worker."""

    arrays: Sequence[Values]
    decay: float
    train: bool = False


@dataclass(frozen=True)
class Generator:
    """A torch.Generator with this seed."""

    seed: int


@dataclass(frozen=True)
class Returned:
    """What a function gave.

    after: the arrays it was given, as they are afterwards; recorded: whether a model was called
    while gradients were recorded; mode_kept: whether models are in train or eval mode as they
    were; gradients: whether some parameter has one now. But for the arrays this is the worker's
    own testimony: it can only be held against a submission.
    """

    output: Values
    after: dict[str, Values]
    recorded: bool
    mode_kept: bool
    gradients: bool


def call(subject: Subject, name: str, given: Mapping[str, object], seed: int = 0) -> Returned:
    """Call a function with arrays, plain values, `Scripted` models and `Generator`s by name.

    Raises CandidateError, or WorkerLost.
    """
    arrays: list[Values] = []
    header = {key: _packed(value, arrays) for key, value in given.items()}
    answer, values = subject.run(name, arrays, given=header, seed=seed)
    try:
        after = dict(zip(map(str, answer["after"]), values[1:], strict=True))
        facts = [answer[key] is True for key in ("recorded", "mode_kept", "gradients")]
        return Returned(values[0], after, *facts)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise subject.broken(f"what {name} did") from error


def _packed(value: object, arrays: list[Values]) -> dict[str, Any]:
    if isinstance(value, Scripted):
        first = len(arrays)
        arrays += value.arrays
        indices = list(range(first, len(arrays)))
        return {"script": indices, "decay": value.decay, "train": value.train}
    if isinstance(value, Generator):
        return {"generator": value.seed}
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    return {"value": value}


def expect_tokens(output: Values, name: str) -> None:
    """Raise CandidateError unless these are token indices (B, T)."""
    if output.ndim != 2 or output.dtype != np.int64:
        raise CandidateError(
            "fail",
            f"expected int64 of shape (B, T) from {name}, found {output.dtype} of shape "
            f"{output.shape}",
            cause="wrong-dtype" if output.ndim == 2 else "output-transposed",
        )
