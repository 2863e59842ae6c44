"""Being asked to stop: by Ctrl-C, or by whoever ends processes kindly."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # as shells count a command that Ctrl-C ended


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """A function that says whether to stop. A second Ctrl-C ends everything at once."""
    asked = False

    def note(number: int, frame: object) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
