"""A function or method asked many times in one question, and attributes of held objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grader.sandbox.client.decoding import decoding
from grader.sandbox.client.exchange import Own, RemoteRef
from grader.sandbox.client.subject import LoadedSubmission


@dataclass(frozen=True)
class Answers:
    """values: what it gave for each item; seconds: of processor time, for each.

    The seconds are the worker's own testimony: they can only be held against a submission.
    """

    values: list[Any]
    seconds: list[float]


def each(
    subject: LoadedSubmission,
    on: RemoteRef | None,
    name: str,
    items: Sequence[object],
    given: Mapping[str, object] | None = None,
) -> Answers:
    """Call the function `name`, or the method of `on`, for each item.

    given: further arguments by name.

    Raises CandidateError if one of the calls raises, or WorkerLost.
    """
    target, method = (Own(name), "") if on is None else (on, name)
    told = subject.help(
        name, "many.each", target, method, list(items), dict(given or {}), here=on is None
    )
    with decoding(subject.broken, f"what {name} did"):
        values, seconds = told
        if len(values) != len(items) or seconds.shape != (len(items),):
            raise ValueError("not one value for each item")
        if seconds.dtype != np.float64 or not np.isfinite(seconds).all():
            raise ValueError("no seconds")
        return Answers(list(values), seconds.tolist())


def attribute(subject: LoadedSubmission, on: RemoteRef, name: str) -> Any:
    """The value of an attribute. Raises CandidateError if there is none, or WorkerLost."""
    return subject.help(name, "many.attribute", on, name, here=False)


def hold(subject: LoadedSubmission, name: str, value: object) -> RemoteRef:
    """A value that lives in the worker, to be given to what is called `name`, and looked at after.

    Raises WorkerLost.
    """
    return subject.keep(name, "many.itself", value)
