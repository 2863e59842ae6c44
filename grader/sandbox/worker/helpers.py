"""Calls what the grader brings into the worker: functions of exercises' `in_worker`, and others.

They take and give plain values and tensors, or what lives here, and know nothing of the wire.
"""

from __future__ import annotations

import importlib
import importlib.util
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from grader import exercises
from grader.sandbox import wire
from grader.sandbox.worker import exchange, many, replay
from grader.sandbox.worker.models import Model


def _rooms() -> dict[str, ModuleType]:
    """What has such functions, by the name that a question calls it by."""
    rooms = {"many": many, "replay": replay}
    for folder in (found.name for found in iter_modules(exercises.__path__) if found.ispkg):
        name = f"{exercises.__name__}.{folder}.in_worker"
        if importlib.util.find_spec(name):
            rooms[folder] = importlib.import_module(name)
    return rooms


_ROOMS = _rooms()


def brought(target: str) -> Any:
    """What an exercise brings by this name: "lora.linear"."""
    room, _, name = target.partition(".")
    return getattr(_ROOMS[room], name)


class Helpers:
    """Answers with what they give. models: by number; objects: what lives here, by place."""

    def __init__(self, models: dict[int, Model], objects: dict[str, Any]) -> None:
        self._models = models
        self._objects = objects

    def help(
        self,
        arrays: tuple[wire.Array, ...],
        target: str,
        args: list[Any],
        given: list[Any],
        keep: str | None,
        model: int | None = None,
    ) -> wire.Message:
        """What the function `target` ("lora.linear") gives.

        args, given: items as of `exchange.made`, by position and by name; keep: where to hold what
        comes back, in place of telling it; model: the number of one to give before all else.
        """
        function = brought(target)
        made = [exchange.made(item, arrays, self._objects) for item in args]
        named = {key: exchange.made(item, arrays, self._objects) for key, item in given}
        value = function(*([] if model is None else [self._models[model]]), *made, **named)
        if keep is None:
            return exchange.told(value)
        self._objects[keep] = value
        return wire.Message({})
