"""Batches as they come from `get_batch`, and where in the data they are from."""

from __future__ import annotations

import numpy as np

from grader.check import Failure
from grader.exercises.training.client import Batches
from grader.exercises.training.common import imports
from grader.exercises.training.oracle import Pair, Tokens
from grader.gpt2.evidence import Evidence
from grader.sandbox.client.function import words

NAME = "get_batch"


def data_of(length: int) -> Tokens:
    """Values of which each one says where it stands, though not by its size."""
    return 1000 + 3 * np.random.default_rng(length).permutation(length)


def code(evidence: Evidence, length: int, rows: int, time: int) -> list[str]:
    """Lines that make `inputs` and `targets` from as many tokens."""
    return [
        *imports(evidence, NAME),
        f"data = torch.from_numpy(1000 + 3 * np.random.default_rng({length})"
        f".permutation({length}))",
        f"torch.manual_seed({evidence.seed})",
        f"inputs, targets = get_batch(data, {rows}, {time})",
    ]


def pairs_of(made: Batches, rows: int, time: int) -> list[Pair]:
    """The batches, checked to be pairs of the right shape and dtype."""
    pairs: list[Pair] = []
    for value in made.values:
        if value is None:
            raise Failure("expected inputs and targets, found None", cause="not-implemented")
        tensors = isinstance(value, list | tuple) and [type(v) is np.ndarray for v in value]
        if tensors != [True, True]:
            raise Failure(
                f"expected a pair of tensors, inputs and targets, found {words(value)}",
                cause="batch-not-a-pair",
            )
        shapes = [tensor.shape for tensor in value]
        if shapes != [(rows, time)] * 2:
            raise Failure(
                f"expected inputs and targets of shape (B, T) = {(rows, time)}, found {shapes[0]} "
                f"and {shapes[1]}",
                cause="offsets-without-replacement"
                if _lacks_rows(shapes, rows, time)
                else "batch-shape",
            )
        if any(tensor.dtype != np.int64 for tensor in value):
            found = " and ".join(str(tensor.dtype) for tensor in value)
            raise Failure(f"expected int64, as data is, found {found}", cause="batch-dtype")
        pairs.append((value[0], value[1]))
    return pairs


def _lacks_rows(shapes: list[tuple[int, ...]], rows: int, time: int) -> bool:
    """Whether all that is amiss is that rows are lacking."""
    return shapes[0] == shapes[1] and shapes[0][1:] == (time,) and shapes[0][0] < rows


def starts_of(data: Tokens, inputs: Tokens) -> Tokens:
    """Where in the data each row of inputs begins; -1 if that is nowhere."""
    order = np.argsort(data)
    ranks = np.searchsorted(data[order], inputs[:, 0]).clip(0, len(data) - 1)
    starts = order[ranks]
    return np.where(data[starts] == inputs[:, 0], starts, -1)
