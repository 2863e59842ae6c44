"""A function or method, called for each of many values; held values, and attributes of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import process_time
from typing import Any

from grader.sandbox import wire
from grader.sandbox.worker import exchange


class Many:
    """Answers about functions and held objects.

    objects: what lives here, by "kind:number"; functions: the submission's.
    """

    def __init__(self, objects: dict[str, Any], functions: Mapping[str, Any]) -> None:
        self._objects = objects
        self._functions = functions
        self.questions: dict[str, Callable[..., wire.Message]] = {
            "each": self.each,
            "attribute": self.attribute,
            "hold": self.hold,
        }

    def each(
        self,
        arrays: tuple[wire.Array, ...],
        on: str | None,
        name: str,
        items: list[Any],
        given: list[Any],
    ) -> wire.Message:
        """What it gives for each item, and the seconds of processor time it took.

        on: the object whose method it is; items, given: as of `exchange.made`; given: by name,
        the same for each.
        """
        target = self._functions[name] if on is None else getattr(self._objects[on], name)
        options = {key: exchange.made(item, arrays, self._objects) for key, item in given}
        values, seconds = [], []
        for item in items:
            value = exchange.made(item, arrays, self._objects)
            started = process_time()
            values.append(target(value, **options))
            seconds.append(process_time() - started)
        return self._told(values, seconds)

    def attribute(self, arrays: tuple[wire.Array, ...], on: str, name: str) -> wire.Message:
        """The value of an attribute."""
        return self._told([getattr(self._objects[on], name)], [0.0])

    def hold(
        self, arrays: tuple[wire.Array, ...], item: dict[str, Any], place: str
    ) -> wire.Message:
        """Make a value, as of `exchange.made`, and hold it."""
        self._objects[place] = exchange.made(item, arrays, self._objects)
        return wire.Message({})

    def _told(self, values: list[Any], seconds: list[float]) -> wire.Message:
        teller = exchange.Encoder()
        try:
            told = [teller.tell(value) for value in values]
        except exchange.UnsendableError as error:
            return wire.Message({"unsendable": error.found})
        return wire.Message({"values": told, "seconds": seconds}, tuple(teller.arrays))
