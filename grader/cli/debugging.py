"""The options of `start` for a folder to debug."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from grader.cli.common import OUTPUT, unusable, warn

if TYPE_CHECKING:
    from grader.session import Session

_MINUTES = 40.0


def _listed(
    context: click.Context, parameter: click.Parameter, typed: str | None
) -> tuple[str, ...]:
    if typed is None:
        return ()
    names = dict.fromkeys(part.strip() for part in typed.split(",") if part.strip())
    if not names:
        raise click.BadParameter("expected one name, or several with commas between them.")
    return tuple(names)


@dataclass(frozen=True)
class Debugging:
    """What is to be planted, as it was typed."""

    bugs: int
    level: str | None
    over: tuple[str, ...]
    only: tuple[str, ...]
    draw_seed: int | None
    daily: bool
    sheet_out: Path | None

    @property
    def asked_for(self) -> bool:
        """Whether any of it was given."""
        return self != Debugging(4, None, _OVER, (), None, False, None)

    def start(self, folder: Path, minutes: float | None) -> Session:
        """Lay out a folder to debug; ends the command if it cannot be."""
        from grader.errors import GraderError
        from grader.exercises.debug.draw import Wanted
        from grader.exercises.debug.start import Order, start

        if self.daily and self != Debugging(4, None, _OVER, (), None, True, self.sheet_out):
            unusable("--daily is the same for everybody: give none of the other options with it")
        wanted = Wanted(self.bugs, self.level, self.over, self.only)
        order = Order(wanted, self.draw_seed, self.daily, self.sheet_out)
        try:
            return start(folder, minutes or _MINUTES, order, warn)
        except GraderError as error:
            unusable(str(error))


_OVER = ("gpt2", "training")
_OPTIONS = (
    click.option(
        "--bugs",
        type=click.IntRange(1, 12),
        default=4,
        show_default=True,
        help="debug: how many bugs are planted.",
    ),
    click.option(
        "--level",
        type=click.Choice(["easy", "medium", "hard"]),
        help="debug: all of one level: easy crashes, medium shows in a loss, hard trains.",
    ),
    click.option(
        "--over",
        callback=_listed,
        default=",".join(_OVER),
        show_default=True,
        metavar="NAME,…",
        help="debug: the exercises whose code they are planted in.",
    ),
    click.option("--only", callback=_listed, metavar="BUG,…", help="debug: plant just these."),
    click.option(
        "--seed", "draw_seed", type=click.IntRange(0), help="Draw the same bugs, or twists, again."
    ),
    click.option("--daily", is_flag=True, help="debug: the puzzle of today, everybody's."),
    click.option(
        "--sheet",
        "sheet_out",
        type=OUTPUT,
        help="debug: write the interviewer's sheet there, outside DIR. Without it: for practice.",
    ),
)


def debug_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a folder to debug, given to the command as one Debugging."""

    @functools.wraps(command)
    def with_debugging(**given: Any) -> None:
        facts = {field.name: given.pop(field.name) for field in fields(Debugging)}
        command(debugging=Debugging(**facts), **given)

    for option in reversed(_OPTIONS):
        with_debugging = option(with_debugging)
    return with_debugging
