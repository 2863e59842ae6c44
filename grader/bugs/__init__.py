"""The catalogue of named bugs, of whatever part: every table `bugs….toml` has some."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grader.bug import Bug, Trait, read_bugs
from grader.bugs.crashes import CRASH_SLUGS, CRASHES, of_exception
from grader.gpt2.twist_bugs import TWIST_BUGS

__all__ = ["CAUSES", "CRASH_SLUGS", "Bug", "of_exception", "with_trait"]

_GRADER = Path(__file__).parents[1]


def _all_bugs() -> Iterator[Bug]:
    """Those of GPT-2, of no part in particular, of each exercise."""
    for table in sorted(_GRADER.glob("gpt2/bugs/*.toml")):
        yield from read_bugs(table)
    yield from TWIST_BUGS
    yield from read_bugs(_GRADER / "bugs" / "anywhere.toml")
    yield from CRASHES
    for table in sorted(_GRADER.glob("exercises/*/bugs*.toml")):
        yield from read_bugs(table)


def _catalogue() -> dict[str, Bug]:
    """All bugs by their slugs. Raises ValueError if two have the same."""
    causes: dict[str, Bug] = {}
    for bug in _all_bugs():
        if bug.slug in causes:
            raise ValueError(f"there are two bugs called {bug.slug}")
        causes[bug.slug] = bug
    return causes


CAUSES = _catalogue()


def with_trait(*traits: Trait) -> frozenset[str]:
    """The slugs of the bugs that have one of these."""
    return frozenset(slug for slug, bug in CAUSES.items() if not set(traits).isdisjoint(bug.traits))
