"""What a watcher waits for: saves of a submission, and keys."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue

import watchfiles

SAVED, QUIT = "saved", "q"
ESCAPE = "\x1b"
_DEBOUNCE = 200  # milliseconds: what an editor writes within them is one save
_QUIET = 20  # milliseconds without a change that end a save sooner
_LOOK = 500  # milliseconds between looks whether the folder is still there

Event = str  # SAVED, or the key that was pressed


def watch_saves(path: Path, events: Queue[Event], stop: threading.Event) -> None:
    """Put SAVED for every save of a file, or of a Python file in a folder, until told to stop."""
    folder = path if path.is_dir() else path.parent
    wanted = _wanted(path)
    while not stop.is_set():
        with suppress(OSError):  # which says that the folder is gone
            _watch(folder, path.is_dir(), wanted, events, stop)
        if stop.wait(_LOOK / 1000):
            return
        if folder.is_dir():  # put back
            events.put(SAVED)


def _watch(
    folder: Path,
    recursive: bool,
    wanted: Callable[[watchfiles.Change, str], bool],
    events: Queue[Event],
    stop: threading.Event,
) -> None:
    """Watch one folder, until it is no longer the one that stands under its name."""
    watched = _identity(folder)
    for changes in watchfiles.watch(
        folder,
        watch_filter=wanted,
        debounce=_DEBOUNCE,
        step=_QUIET,
        rust_timeout=_LOOK,
        yield_on_timeout=True,
        stop_event=stop,
        recursive=recursive,
        raise_interrupt=False,
    ):
        if changes:
            events.put(SAVED)
        if _identity(folder) != watched:
            return


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _wanted(path: Path) -> Callable[[watchfiles.Change, str], bool]:
    """Which files' changes count."""
    if not path.is_dir():
        return lambda change, changed: os.path.basename(changed) == path.name
    return _Wanted(extra_extensions=(".ipynb",))


class _Wanted(watchfiles.PythonFilter):
    """Python files and notebooks, but for what Jupyter puts aside."""

    ignore_dirs = (*watchfiles.PythonFilter.ignore_dirs, ".ipynb_checkpoints")


@contextmanager
def keys(press: Callable[[str], None]) -> Iterator[bool]:
    """Tell every key that is pressed, in a thread of its own, without waiting for Enter and without
    showing it: a letter, or what the terminal sends for another key.

    Yields whether there is a keyboard. Leaves the terminal as it was.
    """
    if not sys.stdin.isatty():
        yield False
        return
    with _single_keys() as read:

        def listen() -> None:
            while pressed := read():
                # What begins with an escape is one key; else there may be several.
                for key in [pressed] if pressed.startswith(ESCAPE) else pressed:
                    press(key)

        threading.Thread(target=listen, daemon=True).start()
        yield True


if sys.platform == "win32":
    import msvcrt

    @contextmanager
    def _single_keys() -> Iterator[Callable[[], str]]:
        yield msvcrt.getwch

else:
    import termios
    import tty

    @contextmanager
    def _single_keys() -> Iterator[Callable[[], str]]:
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        tty.setcbreak(terminal)
        try:
            yield lambda: os.read(terminal, 8).decode("ascii", errors="replace")
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
