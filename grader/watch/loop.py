"""The watcher's loop: it grades at every save. Keys are answered meanwhile."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Queue

from rich.console import Console
from rich.live import Live

from grader import grade_all, hints
from grader.catalogue import ALL, DEBUG, chosen
from grader.errors import GraderError
from grader.grading import Options, grade_submission, handed_in
from grader.interrupts import noted
from grader.report import short
from grader.report.terminal import headline
from grader.results import CheckResult, Clock, Report
from grader.running import Stopped
from grader.sandbox.client import Server
from grader.submission import Submission, UnusableInput
from grader.watch import state as states
from grader.watch.edited import edited
from grader.watch.events import ESCAPE, QUIT, SAVED, Event, keys, watch_saves
from grader.watch.page import Page
from grader.watch.screen import Screen
from grader.watch.state import Running, State

_TICKS = 2  # times a second that the screen is drawn; each takes time from the grading
_SCROLL = {"j": 1, "\x1b[B": 1, "k": -1, "\x1b[A": -1, " ": 10, "\x1b[6~": 10, "\x1b[5~": -10}
Finish = Callable[[Report], Report]


@dataclass
class Watch:
    """What is watched. options: with a seed, so that only the submission changes from one grading
    to the next; finish: what is to be done with each report before it is shown; clock: of the
    session, if there is one; page: what the key o opens; took_hint: is told
    what a hint was taken for.
    """

    path: Path
    options: Options
    server: Server
    console: Console
    finish: Finish = lambda report: report
    clock: Callable[[], Clock] | None = None
    page: Page | None = None
    took_hint: Callable[[str], None] = lambda topic: None


def watch(what: Watch) -> None:
    """Grade at every save and do what the keys ask, until "q" or KeyboardInterrupt."""
    events: Queue[Event] = Queue()
    stop = threading.Event()
    saves = threading.Thread(target=watch_saves, args=(what.path, events, stop), daemon=True)
    saves.start()
    gc.disable()  # garbage is collected while the candidate thinks, not while he waits
    state = State(what.clock, keyboard=False)
    watcher = _Watcher(what, state, events)
    try:
        with keys(watcher.press) as keyboard, noted(lambda: events.put(QUIT)):
            state.keyboard = keyboard
            state.page = what.page.address if what.page else ""
            watcher.run()
    finally:
        gc.enable()
        stop.set()
        saves.join(2)
        if state.report and watcher.is_live:
            what.console.print(headline(state.report, what.console.width))


@dataclass
class _Watcher:
    """One watch. live: draws the state, where there is a terminal."""

    what: Watch
    state: State
    events: Queue[Event]
    live: Live | None = None
    shown: Submission | None = None
    grading: bool = False

    @property
    def is_live(self) -> bool:
        """Whether there is a screen that can be drawn on again and again."""
        return self.what.console.is_terminal and not self.what.console.is_dumb_terminal

    def run(self) -> None:
        """Until the key that ends it."""
        if self.is_live:
            self.live = Live(
                Screen(self.state),
                console=self.what.console,
                screen=True,
                refresh_per_second=_TICKS,
                vertical_overflow="crop",
            )
        with self.live or nullcontext():
            event = SAVED
            while event != QUIT:
                self._grade(forced=event != SAVED)
                self._draw()
                gc.collect()
                event = self.events.get()

    def _grade(self, forced: bool) -> None:
        """Grade, from the beginning again if there is a save meanwhile.

        forced: also what does not parse, or is the same as before.
        """
        while True:
            self._forget_saves()
            try:
                self.grading = True
                self._grade_once(forced)
            except Stopped:
                continue
            except UnusableInput as error:
                self._note(str(error))
            finally:
                self.grading = False
                self.state.running = None
            return

    def _grade_once(self, forced: bool) -> None:
        what, state = self.what, self.state
        running = Running(
            [check for one in chosen(what.options.exercise) for check in one.checks().values()]
            if what.options.exercise == ALL
            else list(what.options.checks().values())
        )

        def progress(result: CheckResult) -> None:
            first = running.failure is None
            running.results.append(result)
            if first and result.failed:
                state.look(states.FIRST)
                self._draw()
            if SAVED in self.events.queue:
                raise Stopped

        if what.options.exercise in (ALL, DEBUG):
            state.running = running
            report = grade_all.grade(what.path, what.options, progress, what.server)
        else:
            submission = handed_in(what.path, what.options)
            if not forced and (why := self._nothing_new(submission)):
                self._note(why)
                return
            running.files = submission.files
            state.running, state.notice = running, ""
            names = chosen(what.options.exercise)[0].names
            options = replace(what.options, first=edited(self.shown, submission, names))
            report = grade_submission(submission, options, progress, what.server)
            self.shown = submission
        state.graded(what.finish(report))
        self._print()

    def _nothing_new(self, submission: Submission) -> str:
        """Why the last result stays, if it does: what is half written, gone, or the same."""
        last = self.shown
        if submission.unread and self.state.report:
            return (submission.error or "it cannot be read").splitlines()[0]
        if self.state.report and submission.problems:
            problem = submission.problems[0]
            return f"does not parse yet: {submission.place(problem.line)}, {problem.what}"
        if last is not None and last.sha256 == submission.sha256:
            return "nothing changed by this save"
        return ""

    def _note(self, why: str) -> None:
        self.state.notice = why
        if not self.is_live:
            self.what.console.print(why)

    def _print(self) -> None:
        """Where there is no screen: the report, each time."""
        if not self.is_live and self.state.report:
            console = self.what.console
            height = console.height - 1 if console.is_terminal else None  # one with no screen
            short.show(self.state.report, console, height)
            self.what.console.print("watching, Ctrl-C quits\n")

    def _draw(self) -> None:
        if self.live:
            self.live.refresh()

    def _forget_saves(self) -> None:
        """What was saved until now is about to be read."""
        with self.events.mutex:
            pressed = [event for event in self.events.queue if event != SAVED]
            self.events.queue.clear()
            self.events.queue.extend(pressed)

    def press(self, key: str) -> None:
        """Answer a key, also while something is graded. In a thread of its own."""
        state = self.state
        if key == QUIT:
            self.events.put(QUIT)
            if self.grading:
                _interrupt()
        elif key == "r":
            self.events.put(key)
        elif key == "h":
            self._hint()
        elif key == "n":
            state.look(states.FIRST, state.thing + (state.mode == states.FIRST))
        elif key in ("v", "d"):
            wanted = states.ALL if key == "v" else states.DIFF
            state.look(states.FIRST if state.mode == wanted else wanted)
        elif key == "o" and self.what.page:
            state.page = self.what.page.open()
            _browse(state.page)
        elif key == ESCAPE:
            state.look(states.FIRST)
        elif key in _SCROLL:
            state.scrolled = max(0, state.scrolled + _SCROLL[key])
        self._draw()

    def _hint(self) -> None:
        """The next hint for what is on the screen: those of its cause first."""
        state, focus = self.state, self.state.focus
        if focus is None or not focus.topics:
            state.hint = "Nothing fails for which there is a hint."
            return
        state.mode = states.FIRST
        said: list[str] = []
        try:
            options = self.what.options
            hint = hints.next_of(
                focus.topics, self.what.path, said.append, options.sheet, options.twists
            )
        except GraderError as error:
            state.hint = str(error)
            return
        self.what.took_hint(hint.topic.id)
        last = ", the last" if hint.number == len(hint.topic.hints) else ""
        head = f"{hint.topic.id}: hint {hint.number} of {len(hint.topic.hints)}{last}"
        state.hint = "\n".join([*said, head, hint.topic.hints[hint.number - 1]])


def _browse(address: str) -> None:
    """Open a browser that has a window of its own: one for terminals would take this one."""
    windows = sys.platform in ("win32", "darwin")
    if windows or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")):
        with suppress(webbrowser.Error):
            webbrowser.open(address)


def _interrupt() -> None:
    """As Ctrl-C does: break off what the main thread is at."""
    if sys.platform == "win32":
        import _thread

        _thread.interrupt_main()
    else:
        os.kill(os.getpid(), signal.SIGINT)
