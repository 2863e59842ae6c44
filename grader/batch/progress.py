"""How far a batch is, while it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from grader.batch.runner import Step
from grader.text import clean, shorten

_MAX_NAME = 60  # characters
_EVERY = 10.0  # seconds between two lines where there is no terminal


@contextmanager
def shown(console: Console) -> Iterator[Callable[[Step], None]]:
    """A bar with rate and time left, or now and then a line where there is no terminal."""
    started = time.monotonic()
    if not console.is_terminal:
        yield _lines(console, started)
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TextColumn("{task.fields[name]}", markup=False, style="dim"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=None, pace="", name="")

        def tell(step: Step) -> None:
            if step.postponed:
                progress.console.print(_postponed(step), markup=False)
                return
            seconds = time.monotonic() - started
            progress.update(
                task,
                total=step.total,
                completed=step.done,
                pace=pace(step, seconds),
                name=step.name.encode("ascii", "replace").decode()[:30],
            )

        yield tell


def _lines(console: Console, started: float) -> Callable[[Step], None]:
    last = started

    def tell(step: Step) -> None:
        nonlocal last
        if step.postponed:
            console.print(_postponed(step), markup=False)
            return
        now = time.monotonic()
        if now - last >= _EVERY or step.done == step.total:
            last = now
            console.print(f"{step.done} of {step.total}  {pace(step, now - started)}")

    return tell


def _postponed(step: Step) -> str:
    """That others go first."""
    return f"{shorten(clean(step.name), _MAX_NAME)} takes long: moved to the end of the queue"


def pace(step: Step, seconds: float) -> str:
    """Such as "2.8 a second, 1:02 left"; empty before anything was graded."""
    if not step.fresh:
        return ""
    rate = step.fresh / max(seconds, 1e-9)
    left = round((step.total - step.done) / rate)
    hours, rest = divmod(left, 3600)
    clock = f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
    return f"{rate:.1f} a second, {clock} left"
