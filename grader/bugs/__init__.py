"""The catalogue of named bugs, of whatever part: every module `bugs` or `bugs_…` has some."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import grader.exercises
import grader.gpt2.bugs
from grader.bug import Bug
from grader.bugs import anywhere, crashes
from grader.bugs.crashes import CRASH_SLUGS, of_exception

__all__ = ["CAUSES", "CRASH_SLUGS", "Bug", "of_exception"]


def _modules() -> Iterator[ModuleType]:
    """What names bugs: of GPT-2, of no part in particular, of each exercise."""
    for found in pkgutil.iter_modules(grader.gpt2.bugs.__path__, f"{grader.gpt2.bugs.__name__}."):
        yield importlib.import_module(found.name)
    yield from (anywhere, crashes)
    for found in pkgutil.walk_packages(grader.exercises.__path__, f"{grader.exercises.__name__}."):
        last = found.name.rsplit(".", 1)[-1]
        if last == "bugs" or last.startswith("bugs_"):
            yield importlib.import_module(found.name)


def _catalogue() -> dict[str, Bug]:
    """All bugs by their slugs. Raises ValueError if two have the same."""
    causes: dict[str, Bug] = {}
    for module in _modules():
        for cause in module.BUGS:
            if cause.slug in causes:
                raise ValueError(f"{module.__name__}: there is another bug called {cause.slug}")
            causes[cause.slug] = cause
    return causes


CAUSES = _catalogue()
