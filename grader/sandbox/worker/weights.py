"""Answers about the weights that a model computes from its parameters, and keeps in buffers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from grader.sandbox import wire
from grader.sandbox.worker import tensors
from grader.sandbox.worker.models import Model, WeighedModel


class Weights:
    """Answers about the models of one worker. objects: what else lives there."""

    def __init__(self, models: Mapping[int, Model], objects: Mapping[str, Any]) -> None:
        self._models = models
        self._objects = objects
        self.questions: dict[str, Callable[..., wire.Message]] = {
            "weigh": self.weigh,
            "slopes": self.slopes,
            "lend": self.lend,
        }

    def weigh(self, arrays: tuple[wire.Array, ...], model: int) -> wire.Message:
        """The weights that a model computes. The array holds the values of all parameters."""
        target = self._models[model]
        assert isinstance(target, WeighedModel)
        return wire.Message(
            {}, tuple(map(tensors.encode, target.weights(tensors.decode(arrays[0]).numpy())))
        )

    def slopes(self, arrays: tuple[wire.Array, ...], model: int, step: float) -> wire.Message:
        """How fast weights that a model computes change with some of its parameters.

        Arrays: the values of all parameters, the flat indices of parameters and those of weights.
        Back comes a row for each of the parameters.
        """
        target = self._models[model]
        assert isinstance(target, WeighedModel)
        theta = tensors.decode(arrays[0]).numpy().copy()
        parameters, weights = (tensors.decode(array) for array in arrays[1:])

        def weigh() -> torch.Tensor:
            return torch.cat([value.reshape(-1) for value in target.weights(theta)])[weights]

        start, rows = weigh(), []
        for index in parameters.tolist():
            before = theta[index]
            theta[index] = before + step
            rows.append((weigh() - start) / step)
            theta[index] = before
        return wire.Message({}, (tensors.encode(torch.stack(rows).to(torch.float64)),))

    def lend(
        self, arrays: tuple[wire.Array, ...], model: int, path: str, held: str
    ) -> wire.Message:
        """Give another model what buffers of the module at `path` were born with."""
        other = self._objects[held]
        with self._models[model].as_told():
            self._models[model].lend(other, path)
        return wire.Message({})
