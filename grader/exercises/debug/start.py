"""Lays out a folder to debug."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from random import Random

from grader import session
from grader.catalogue import DEBUG
from grader.exercises.debug import practice
from grader.exercises.debug import sheet as sheets
from grader.exercises.debug.brief import brief
from grader.exercises.debug.draw import OVER, Wanted, draw, seed_of_day
from grader.hints import Warn

_SEEDS = 1_000_000


@dataclass(frozen=True)
class Order:
    """What is wanted. sheet: where the interviewer's sheet goes; None: it is for practice."""

    wanted: Wanted
    seed: int | None = None
    daily: bool = False
    sheet: Path | None = None


def start(folder: Path, minutes: float, order: Order, warn: Warn) -> session.Session:
    """Draw a puzzle, lay it out, and write its sheet or remember it.

    Raises DrawError, SheetError and SessionError.
    """
    wanted, today = order.wanted, datetime.now(timezone.utc).date().isoformat()
    if order.daily:
        seed = seed_of_day(today)
    else:
        seed = secrets.randbelow(_SEEDS) if order.seed is None else order.seed
    if order.sheet is None and order.seed is None and not order.daily:
        wanted = replace(wanted, missed=practice.missed_topics(warn))
    made = sheets.made_of(draw(wanted, seed), _words(wanted, seed, today))
    if order.sheet is not None:
        if order.sheet.resolve().is_relative_to(folder.resolve()):
            raise sheets.SheetError(
                f"{order.sheet}: the sheet must lie outside the candidate's folder, {folder}"
            )
        sheets.write(made, order.sheet)
    number = range(len(made.plants))
    shuffled = Random(f"order {seed}").sample(number, len(number))
    files = {**made.planted, "BRIEF.md": brief(made, minutes, shuffled)}
    begun = session.start(
        folder, minutes, DEBUG, {name: text.encode() for name, text in files.items()}
    )
    if order.sheet is None:
        practice.begin(folder, made, begun.started, minutes, warn)
    return begun


def _words(wanted: Wanted, seed: int, today: str) -> str:
    over = ", ".join(wanted.exercises)
    level = f"level {wanted.level}" if wanted.level else "any level"
    given = f"--only {','.join(wanted.only)}" if wanted.only else f"{wanted.bugs} bugs, {level}"
    shown = "" if wanted.exercises == OVER else f", over {over}"
    return f"Drawn on {today}: {given}{shown}, seed {seed}."
