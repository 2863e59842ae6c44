"""The watcher's loop: wait for a save or a key, and do what it asks."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Queue

from rich.console import Console

from grader import hints
from grader.errors import GraderError
from grader.everything import grade
from grader.exercises.debug.sheet import Sheet
from grader.grading import Options
from grader.interrupts import noted
from grader.report.advice import hint_command, program
from grader.results import CheckResult, Report
from grader.running import Stopped
from grader.sandbox.client import Server
from grader.submission import UnusableInput
from grader.watch import screen
from grader.watch.events import QUIT, SAVED, Event, keys, watch_saves

_CALM = 4  # turns of the spinner a second; each takes time from the grading
Finish = Callable[[Report], Report]


def watch(
    path: Path,
    options: Options,
    server: Server,
    console: Console,
    finish: Finish = lambda report: report,
) -> None:
    """Grade at every save and do what the keys ask, until "q" or KeyboardInterrupt.

    options: with a seed, so that only the submission changes from one grading to the next.
    finish: what is to be done with each report before it is shown.
    """
    events: Queue[Event] = Queue()
    stop = threading.Event()
    saves = threading.Thread(target=watch_saves, args=(path, events, stop), daemon=True)
    saves.start()
    gc.disable()  # garbage is collected while the candidate thinks, not while he waits
    try:
        with keys(events) as keyboard, noted(lambda: events.put(QUIT)):
            _Watcher(path, options, server, console, finish, events, keyboard).run()
    finally:
        gc.enable()
        stop.set()
        saves.join(2)


class _Watcher:
    """One watch. shown: the report that is on the screen."""

    def __init__(
        self,
        path: Path,
        options: Options,
        server: Server,
        console: Console,
        finish: Finish,
        events: Queue[Event],
        keyboard: bool,
    ) -> None:
        self.path = path
        self.options = options
        self.server = server
        self.console = console
        self.finish = finish
        self.events = events
        self.keyboard = keyboard
        self.shown: Report | None = None

    def run(self) -> None:
        """Until the key that ends it."""
        event = SAVED
        while event != QUIT:
            if event in (SAVED, "r"):
                self._grade()
            elif self.shown and event == "a":
                screen.everything(self.shown, self.console)
                self._wait()
            elif self.shown and event == "h":
                self._hint(self.shown)
            event = self.events.get()

    def _grade(self) -> None:
        """Grade, from the beginning again if there is a save meanwhile."""
        while True:
            self._forget_saves()
            try:
                with self.console.status("grading …", refresh_per_second=_CALM) as status:

                    def progress(result: CheckResult) -> None:
                        status.update(f"{result.check.part}: {result.check.id}")
                        if SAVED in self.events.queue:
                            raise Stopped

                    report = self.finish(grade(self.path, self.options, progress, self.server))
            except Stopped:
                continue
            except UnusableInput as error:
                screen.unusable(str(error), self.console)
            else:
                screen.graded(self.shown, report, self.console)
                self.shown = report
            self._wait()
            return

    def _forget_saves(self) -> None:
        """What was saved until now is about to be read."""
        with self.events.mutex:
            pressed = [event for event in self.events.queue if event != SAVED]
            self.events.queue.clear()
            self.events.queue.extend(pressed)

    def _hint(self, report: Report) -> None:
        screen.hint(_next_hint(report, self.path, self.options.sheet), self.console)
        self._wait()

    def _wait(self) -> None:
        screen.waiting(self.shown, self.keyboard, self.console)
        gc.collect()


def _next_hint(report: Report, path: Path, sheet: Sheet | None) -> str:
    """The next hint for the first problem of a report."""
    if not report.problems:
        return "Nothing fails, so there is no hint."
    topic = report.problems[0][0].check.id
    said: list[str] = []
    try:
        shown = hints.next_hint(topic, path, False, said.append, sheet)
    except GraderError as error:
        return str(error)
    return "\n".join([*said, hints.render(shown, hint_command(topic, str(path), program()))])
