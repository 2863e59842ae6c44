"""A function, class or method of the submission, called in its worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grader.sandbox.client import calls
from grader.sandbox.client.decoding import decoding
from grader.sandbox.client.exchange import (
    Generator,
    NumPy,
    Packer,
    RemoteRef,
    Scripted,
    Unknown,
    unpacked,
    words,
)
from grader.sandbox.client.faults import CandidateError, WorkerLost
from grader.sandbox.client.subject import LoadedSubmission
from grader.sandbox.client.worker import Values

__all__ = [
    "Generator",
    "NumPy",
    "RemoteRef",
    "Returned",
    "Scripted",
    "Unknown",
    "call",
    "expect_tokens",
    "words",
]


@dataclass(frozen=True)
class Returned:
    """What a function gave.

    value: with arrays for tensors; held: the same as it lives in the worker, if it was to be kept;
    after: the arrays it was given, as they are afterwards; device_mismatches: functions that would
    mix devices; recorded: whether a scripted model was called while gradients were recorded;
    train_mode_unchanged:
    whether models are in train or eval mode as they were; gradients: whether some parameter of
    theirs has one now; rng_unchanged: whether torch's own generator is as it was; recording_kept:
    whether torch records gradients as it did. But for the arrays this is the worker's own
    testimony: it can only be held against a submission. left: logits (1, 1, V) of a `Scripted`
    model that is traced, for token 0, in the state in which it was left.
    """

    value: Any
    held: RemoteRef | None
    after: dict[str, Values]
    device_mismatches: list[str]
    recorded: bool
    train_mode_unchanged: bool
    flags_kept: bool
    gradients: bool
    rng_unchanged: bool
    recording_kept: bool
    left: Values | None = None

    @property
    def output(self) -> Values:
        """The tensor that it gave. Raises CandidateError if it is none."""
        if not isinstance(self.value, np.ndarray):
            cause = "not-implemented" if self.value is None else "returns-tuple"
            found = words(self.value)
            raise CandidateError("fail", f"expected a plain tensor, found {found}", cause=cause)
        return self.value


def call(
    subject: LoadedSubmission,
    name: str,
    given: Mapping[str, object],
    seed: int = 0,
    *,
    args: Sequence[object] = (),
    on: RemoteRef | None = None,
    keep: bool = False,
    dtype: str = "float64",
    watch: bool = False,
    recording: bool = True,
) -> Returned:
    """Call what is called `name` with values, `Scripted` models, `Generator`s and `RemoteRef`
    objects.

    given: arguments by name; args: by position; on: the object whose method `name` is; keep: hold
    what comes back in the worker, where `Returned.held` stands for it; dtype: torch's default;
    watch: look for what would fail on another device, `Returned.device_mismatches`; recording:
    False calls it under torch.no_grad().

    Raises CandidateError, or WorkerLost.
    """
    packer = Packer()
    place = subject.new_place() if keep else None
    header = {
        "given": [[key, packer.pack(value)] for key, value in given.items()],
        "args": [packer.pack(value) for value in args],
        "watch": watch,
        "recording": recording,
    }
    try:
        answer, values = subject.run(
            name, on, packer.arrays, packer.uses, keep=place, seed=seed, dtype=dtype, **header
        )
    except (CandidateError, WorkerLost) as fault:
        fault.call = calls.called(name, args, given)
        raise
    with decoding(subject.broken, f"what {name} did"):
        start = len(values) - len(answer["after"])
        after = dict(zip(map(str, answer["after"]), values[start:], strict=True))
        recorded, train_mode_unchanged, flags_kept, gradients, rng_unchanged, recording_kept = (
            answer[key] is True
            for key in (
                *("recorded", "train_mode_unchanged", "flags_kept", "gradients", "rng_unchanged"),
                "recording_kept",
            )
        )
        traced = any(isinstance(item, Scripted) and item.traced for item in given.values())
        left = values[start - 1] if traced else None
        value = unpacked(answer["value"], values[: start - traced])
        held = subject.held(place) if place else None
        device_mismatches = [str(function)[:100] for function in answer["device_mismatches"]]
        return Returned(
            value,
            held,
            after,
            device_mismatches,
            recorded,
            train_mode_unchanged,
            flags_kept,
            gradients,
            rng_unchanged,
            recording_kept,
            left,
        )


def expect_tokens(output: Values, name: str) -> None:
    """Raise CandidateError unless these are token indices (B, T)."""
    if output.ndim != 2 or output.dtype != np.int64:
        raise CandidateError(
            "fail",
            f"expected int64 of shape (B, T) from {name}, found {output.dtype} of shape "
            f"{output.shape}",
            cause="wrong-dtype" if output.ndim == 2 else "",
        )
