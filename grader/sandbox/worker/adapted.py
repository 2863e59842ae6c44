"""Builds classes of a submission from the brief's arguments, where they take others.

The parent has read from their syntax which of their arguments, or which fields of a config object,
means what; see `grader.submission.arguments.Plan`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

# What is given only where there is no default.
_FURTHER = ("ratio", "yes", "eps", "zero", "device")
Load = Callable[[str], ModuleType]


class Settings(dict[str, Any]):
    """A config object whose fields are attributes and items."""

    def __getattr__(self, name: str) -> Any:
        """A field. Raises AttributeError."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"the grader does not know what your config object has as {name!r}"
            ) from None

    def __missing__(self, name: str) -> Any:
        """Raises KeyError for a field that is not there."""
        raise KeyError(f"the grader does not know what your config object has as {name!r}")


class Adapted:
    """What builds a class of the submission when it is called with the brief's arguments.

    kind: the class; plan: how to build it; load: gives the module of a file; main: that file which
    has the config object that is taken for what is not known of one.
    """

    def __init__(self, kind: Any, plan: Mapping[str, Any], load: Load, main: str) -> None:
        self.kind = kind
        self.plan = plan
        self._load = load
        self._main = main
        parameters = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            for name in plan["brief"][:-1]
        ]
        last = inspect.Parameter(
            plan["brief"][-1], inspect.Parameter.POSITIONAL_OR_KEYWORD, default=0.0
        )
        self._brief = inspect.Signature([*parameters, last])
        self._own = inspect.signature(kind)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The built module. Raises TypeError for what are no arguments of the brief."""
        bound = self._brief.bind(*args, **kwargs)
        bound.apply_defaults()
        values = _with_what_follows({**self.plan["usual"], **bound.arguments})
        given = {name: values[source] for name, source in self.plan["arguments"].items()}
        if self.plan["settings"]:
            given[self.plan["settings"]] = self._settings(values)
        return self.kind(**given)

    def _settings(self, values: Mapping[str, Any]) -> Any:
        fields = self.plan["fields"]
        sizes = {name: values[source] for name, source in fields.items() if source not in _FURTHER}
        others = {name: values[source] for name, source in fields.items() if source in _FURTHER}
        if not self.plan["kind"]:
            return Settings({**others, **self._template(), **sizes})
        kind = getattr(self._load(self.plan["kind_file"]), self.plan["kind"])
        return _filled(kind, sizes, others)

    def _template(self) -> dict[str, Any]:
        found = getattr(self._load(self._main), self.plan["template"] or "__doc__", None)
        if isinstance(found, Mapping):
            return dict(found)
        return dict(getattr(found, "__dict__", {})) if self.plan["template"] else {}

    def stand_in(self, kind: type) -> None:
        """Let a class of the grader's, which took the place of the one to build, take what that
        one took: the submission goes on building it in its own way.
        """
        theirs = kind.__mro__[1].__init__  # type: ignore[misc]  # the grader's own

        def init(module: Any, *args: Any, **kwargs: Any) -> None:
            theirs(module, **self._understood(args, kwargs))

        kind.__init__ = init  # type: ignore[misc]  # that is the point

    def _understood(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The brief's arguments that the submission's own mean, or those that they are."""
        brief = set(self.plan["brief"])
        found: dict[str, Any] = {}
        with suppress(TypeError):
            given = self._own.bind(*args, **kwargs).arguments
            settings = given.get(self.plan["settings"])
            for name, source in self.plan["fields"].items():
                if source in brief and settings is not None:
                    with suppress(AttributeError, KeyError, TypeError):
                        found[source] = _field(settings, name)
            for name, source in self.plan["arguments"].items():
                if source in brief and name in given:
                    found[source] = given[name]
        if all(isinstance(found.get(name), int) for name in brief - {"block_size", "dropout_p"}):
            return {"block_size": 1024, **found} if "block_size" in brief else found
        return dict(self._brief.bind(*args, **kwargs).arguments)


def _field(settings: Any, name: str) -> Any:
    return settings[name] if isinstance(settings, Mapping) else getattr(settings, name)


def _with_what_follows(given: Mapping[str, Any]) -> dict[str, Any]:
    width, heads = given["embed_dim"], given["num_heads"] or 1
    return {"head_dim": width // heads, "hidden_dim": 4 * width, **given}


def _filled(kind: Any, sizes: Mapping[str, Any], others: Mapping[str, Any]) -> Any:
    """An object of a config class with these fields; its own defaults for others that have any."""
    accepted = inspect.signature(kind).parameters
    anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values())
    given = {name: value for name, value in sizes.items() if anything or name in accepted}
    for name, value in others.items():
        if name in accepted and accepted[name].default is inspect.Parameter.empty:
            given[name] = value
    made = kind(**given)
    for name, value in sizes.items():
        if name not in accepted:
            with suppress(AttributeError, TypeError):  # what follows from others already
                setattr(made, name, value)
    return made
