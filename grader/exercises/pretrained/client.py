"""A function of the submission that reads a checkpoint into a model, called in its worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grader.sandbox.client.decoding import decoding
from grader.sandbox.client.exchange import Own, RemoteRef, arrays
from grader.sandbox.client.module import Module
from grader.sandbox.client.subject import LoadedSubmission
from grader.sandbox.client.worker import Values

KEPT = ("train_mode_unchanged", "dtypes_kept", "recording", "ties_kept")


@dataclass(frozen=True)
class Loading:
    """What became of a call.

    refused: the message of the ValueError that it raised, if it did; train_mode_unchanged: whether
    the model is in train or eval mode as it was; dtypes_kept: and its parameters of the dtypes
    that they were; recording: whether torch still records gradients; ties_kept: whether what was
    one parameter in several places still is; variables: those it was given, held. All of it is the
    worker's own testimony.
    """

    refused: str | None
    train_mode_unchanged: bool
    dtypes_kept: bool
    recording: bool
    ties_kept: bool
    variables: RemoteRef


@dataclass(frozen=True)
class Spoiled:
    """What variables were before they were spoiled.

    values: by their names; recording: names of those that gradients are recorded for.
    """

    values: dict[str, Values]
    recording: list[str]


def load(
    subject: LoadedSubmission,
    name: str,
    module: Module,
    variables: Mapping[str, Values] | RemoteRef,
    filled: float | None = None,
) -> Loading:
    """Call the function `name` with a model and with variables by their names, as tensors.

    variables: or those of an earlier loading, given again, as the same dict; filled: what all
    weights of the model are set to before. Raises CandidateError for anything but a ValueError, or
    WorkerLost.
    """
    if isinstance(variables, RemoteRef):
        held = variables
    else:
        held = subject.keep(name, "pretrained.hold", variables)
    told = subject.help(name, "pretrained.load", Own(name), module.itself, held, filled)
    with decoding(subject.broken, f"what {name} did"):
        refused = told["refused"]
        if not (refused is None or isinstance(refused, str)):
            raise ValueError("no message")
        kept = {key: told[key] is True for key in KEPT}
        return Loading(refused, **kept, variables=held)


def spoil(subject: LoadedSubmission, name: str, loading: Loading) -> Spoiled:
    """What the variables are that were given, before all of them are set to zero."""
    told = subject.help(name, "pretrained.spoil", loading.variables)
    with decoding(subject.broken, "the variables"):
        names, values = map(str, told["values"]), arrays(list(told["values"].values()))
        return Spoiled(dict(zip(names, values, strict=True)), list(map(str, told["recording"])))
