"""What the catalogue says of one bug."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import tomli

# structural: what a check observes of it is not about the function that is computed, and stands
# beside any deviation; of-weights: it is told from how weights are kept, not from what is computed
# with them; not-finite: all or some of the output may be NaN; fatal: a part that has it does not
# work at all, and what is built on the part does not either; unsteady: chance or memory.
Trait = Literal["structural", "of-weights", "not-finite", "fatal", "unsteady"]


@dataclass(frozen=True)
class Bug:
    """A named bug.

    summary: one sentence that says what the submission is instead of GPT-2; expected: one sentence,
    what the brief asks for; where: one sentence, where in a submission to look; lines: a pattern of
    the lines meant there; hints: a nudge, a pointer, a near-solution in words; checks: ids of the
    checks whose requirement it breaks first, the most telling first. An id that begins with a dot
    is that of any class: ".shape" is attention.shape, mlp.shape, block.shape and gpt2.shape.
    traits: what it is like, for the diagnosis.
    """

    slug: str
    summary: str
    expected: str
    where: str
    hints: tuple[str, str, str]
    checks: tuple[str, ...]
    lines: str = ""
    traits: tuple[Trait, ...] = ()

    @property
    def explanation(self) -> str:
        """What it is, what is asked for and where to look, as one text."""
        return f"{self.summary} {self.expected} {self.where}"


@dataclass(frozen=True, kw_only=True)
class Raised(Bug):
    """An exception in plain words: summary says what happened, expected why, where the usual fix.

    raised: a pattern of "Type: message"; line: one of the submission's line that raised it.
    """

    raised: str
    line: str = ""
    traits: tuple[Trait, ...] = ("structural", "fatal")


_PATTERNS = ("lines", "line", "raised")  # which a table may give as a list of alternatives


def read_bugs(table: Path) -> tuple[Bug, ...]:
    """The bugs of a table, in its order. Raises ValueError for an entry that is not one."""
    entries = tomli.loads(table.read_text(encoding="utf-8"))
    return tuple(_read(table, slug, entry) for slug, entry in entries.items())


def _read(table: Path, slug: str, entry: dict[str, Any]) -> Bug:
    facts: dict[str, Any] = {
        key: tuple(what) if type(what) is list else what for key, what in entry.items()
    }
    for key in _PATTERNS:
        if type(facts.get(key)) is tuple:
            facts[key] = "|".join(facts[key])
    if odd := set(facts.get("traits", ())).difference(get_args(Trait)):
        raise ValueError(f"{table}: [{slug}] has no such traits: {', '.join(sorted(odd))}")
    try:
        return Raised(slug=slug, **facts) if "raised" in facts else Bug(slug=slug, **facts)
    except TypeError as error:
        raise ValueError(f"{table}: [{slug}] is not a bug: {error}") from None
