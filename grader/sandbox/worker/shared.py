"""What the answers to an exercise's own questions share with the others of a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grader.sandbox import wire
from grader.sandbox.worker.models import Model

Questions = dict[str, Callable[..., wire.Message]]


@dataclass(frozen=True)
class Shared:
    """models: by their numbers; objects: all that lives here, by "kind:number"; functions: what
    the submission has, by name; describe: registers a model under a number, and says what it is.
    """

    models: dict[int, Model]
    objects: dict[str, Any]
    functions: dict[str, Any]
    describe: Callable[[int, Model], wire.Message]
