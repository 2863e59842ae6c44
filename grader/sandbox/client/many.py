"""A function or method asked many times in one question, and attributes of held objects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grader.sandbox.client.decoding import decoding
from grader.sandbox.client.exchange import Packer, RemoteRef, Unpacker
from grader.sandbox.client.subject import LoadedSubmission
from grader.sandbox.client.worker import Values


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
    packer = Packer()
    header = {
        "on": on and packer.pack(on)["object"],
        "items": [packer.pack(item) for item in items],
        "given": [[key, packer.pack(value)] for key, value in (given or {}).items()],
    }
    answer, values = subject.ask_about(name, "each", packer.arrays, packer.uses, **header)
    return _answers(subject, name, answer, values, len(items))


def attribute(subject: LoadedSubmission, on: RemoteRef, name: str) -> Any:
    """The value of an attribute. Raises CandidateError if there is none, or WorkerLost."""
    answer, values = subject.ask_about(name, "attribute", (), [on], on=on.place)
    return _answers(subject, name, answer, values, 1).values[0]


def hold(subject: LoadedSubmission, name: str, value: object) -> RemoteRef:
    """A value that lives in the worker, to be given to what is called `name`, and looked at after.

    Raises WorkerLost.
    """
    packer = Packer()
    place, item = subject.new_place(), packer.pack(value)
    subject.ask(name, "hold", packer.arrays, packer.uses, item=item, place=place)
    return subject.held(place)


def _answers(
    subject: LoadedSubmission,
    name: str,
    answer: dict[str, Any],
    arrays: Sequence[Values],
    count: int,
) -> Answers:
    with decoding(subject.broken, f"what {name} did"):
        unpacker = Unpacker(arrays)
        found = [unpacker.unpack(value) for value in answer["values"]]
        seconds = [float(value) for value in answer["seconds"]]
        if len(found) != count or len(seconds) != count or not all(map(math.isfinite, seconds)):
            raise ValueError("not one value for each item")
    return Answers(found, seconds)
