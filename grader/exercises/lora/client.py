"""Layers and models in a worker, for the submission to put adapters around."""

from __future__ import annotations

from collections.abc import Sequence

from grader.sandbox.client import Module
from grader.sandbox.client.decoding import decoding
from grader.sandbox.client.exchange import RemoteRef
from grader.sandbox.client.subject import LoadedSubmission
from grader.sandbox.client.worker import Values

_MOST_LAYERS = 10_000


def linear(subject: LoadedSubmission, about: str, arrays: Sequence[Values]) -> RemoteRef:
    """A new nn.Linear with this weight and perhaps bias, for the class or function `about`."""
    place = subject.new_place()
    subject.ask(about, "lora_linear", arrays, place=place)
    return subject.held(place)


def toy(subject: LoadedSubmission, about: str, weights: Sequence[Values], tied: bool) -> RemoteRef:
    """A new toy model with these weights. tied: whether its head is the embedding."""
    place = subject.new_place()
    subject.ask(about, "lora_toy", weights, place=place, tied=tied)
    return subject.held(place)


def layers(subject: LoadedSubmission, about: str, model: RemoteRef) -> dict[str, tuple[int, int]]:
    """The distinct nn.Linear of a model by their paths, each with (out_features, in_features)."""
    answer, _ = subject.ask(about, "lora_layers", (), [model], held=model.place)
    with decoding(subject.broken, "the linear layers"):
        found = {str(path): (int(rows), int(columns)) for path, rows, columns in answer["layers"]}
        if len(found) > _MOST_LAYERS:
            raise ValueError("more layers than a model has")
        return found


def adapted(subject: LoadedSubmission, about: str, model: RemoteRef) -> Module:
    """A held model, or adapter, as it is now."""
    return subject.adopt(model, about)
