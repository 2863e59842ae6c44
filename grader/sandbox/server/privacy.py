"""The memory of this process, in which verdicts are made, closed to other ones of the same user.

The kernel's own walls, where they stand, keep a worker out of it anyway.
"""

from __future__ import annotations

import contextlib
import threading

from grader.sandbox.worker import kernel


class Privacy:
    """Closed while anybody wants it, and then as it was before: it is a user's process, too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = 0
        self._before = True

    def begin(self) -> None:
        """Close it."""
        with self._lock, contextlib.suppress(kernel.UnavailableError, OSError):
            self._wanted += 1
            if self._wanted == 1:
                self._before = kernel.memory_is_open()
                kernel.open_memory(False)

    def end(self) -> None:
        """One fewer wants it."""
        with self._lock, contextlib.suppress(kernel.UnavailableError, OSError):
            self._wanted -= 1
            if not self._wanted:
                kernel.open_memory(self._before)


PRIVACY = Privacy()
