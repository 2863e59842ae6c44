"""Ctrl-C that is not lost."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def noted(note: Callable[[], object]) -> Iterator[None]:
    """Make Ctrl-C call `note` and raise KeyboardInterrupt.

    In a moment of garbage collection Python drops the exception; then there is still the note.
    """

    def interrupted(number: int, frame: object) -> None:
        note()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
