"""Layers and models in a worker, for the submission to put adapters around."""

from __future__ import annotations

from collections.abc import Sequence

from grader.sandbox.client import Module
from grader.sandbox.client.decoding import decoding
from grader.sandbox.client.exchange import RemoteRef
from grader.sandbox.client.subject import LoadedSubmission
from grader.sandbox.client.worker import Values


def linear(subject: LoadedSubmission, about: str, arrays: Sequence[Values]) -> RemoteRef:
    """A new nn.Linear with this weight and perhaps bias, for the class or function `about`."""
    return subject.keep(about, "lora.linear", *arrays)


def toy(subject: LoadedSubmission, about: str, weights: Sequence[Values], tied: bool) -> RemoteRef:
    """A new toy model with these weights. tied: whether its head is the embedding."""
    return subject.keep(about, "lora.toy", list(weights), tied)


def layers(
    subject: LoadedSubmission, about: str, model: RemoteRef, every: bool = False
) -> dict[str, tuple[int, int]]:
    """The distinct nn.Linear of a model by their paths, each with (out_features, in_features).

    every: those of all paths, also where two are of one layer.
    """
    told = subject.help(about, "lora.layers", model, every)
    with decoding(subject.broken, "the linear layers"):
        return {str(path): (int(rows), int(columns)) for path, (rows, columns) in told.items()}


def adapted(subject: LoadedSubmission, about: str, model: RemoteRef) -> Module:
    """A held model, or adapter, as it is now."""
    return subject.adopt(model, about)
