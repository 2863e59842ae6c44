"""A function of the submission that reads a checkpoint into a model, called in its worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grader.remote.exchange import Held
from grader.remote.module import Module
from grader.remote.subject import Subject
from grader.remote.worker import Values


@dataclass(frozen=True)
class Loading:
    """What became of a call.

    refused: the message of the ValueError that it raised, if it did; mode_kept: whether the model
    is in train or eval mode as it was; dtypes_kept: and its parameters of the dtypes that they
    were; recording: whether torch still records gradients; variables: those it was given, held.
    All of it is the worker's own testimony.
    """

    refused: str | None
    mode_kept: bool
    dtypes_kept: bool
    recording: bool
    variables: Held


def load(
    subject: Subject,
    name: str,
    module: Module,
    variables: Mapping[str, Values],
    filled: float | None = None,
) -> Loading:
    """Call the function `name` with a model and with variables by their names, as tensors.

    filled: what all weights of the model are set to before. Raises CandidateError for anything
    but a ValueError, or WorkerLost.
    """
    place = subject.new_place()
    answer, _ = subject.ask(
        name,
        "load_variables",
        list(variables.values()),
        [module.itself],
        name=name,
        model=module.itself.place,
        names=list(variables),
        place=place,
        filled=filled,
    )
    refused = answer.get("refused")
    if not (refused is None or isinstance(refused, str)):
        raise subject.broken(f"what {name} did")
    return Loading(
        refused,
        answer.get("mode_kept") is True,
        answer.get("dtypes_kept") is True,
        answer.get("recording") is True,
        subject.held(place),
    )


def spoil(subject: Subject, name: str, loading: Loading) -> dict[str, Values]:
    """What the variables are that were given, before all of them are set to zero."""
    held = loading.variables
    answer, values = subject.ask(name, "spoil_variables", (), [held], place=held.place)
    names = answer.get("names")
    if not isinstance(names, list) or len(names) != len(values):
        raise subject.broken("the variables")
    return dict(zip(map(str, names), values, strict=True))
