"""At which line of a submission's top level an import is, for the parent to name."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Collection
from types import FrameType, TracebackType

Place = tuple[str, int]  # a file of the submission as it is loaded, and a line
_BODY = "<module>"
_SLICE = 0.25  # seconds between two looks
_SLICE_WORK = 0.002  # seconds of processor time: more than a process that sleeps uses
_PATIENCE = 5  # times as long as that, for a worker that a busy machine keeps from working


def of_frame(frame: FrameType | None, own: Collection[str]) -> Place | None:
    """The innermost line at the top level of a file of the submission, from a frame outwards."""
    while frame is not None:
        if frame.f_code.co_name == _BODY and frame.f_code.co_filename in own:
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None


def of_error(error: BaseException, own: Collection[str]) -> Place | None:
    """The same where an exception came from."""
    found: Place | None = None
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_name == _BODY and code.co_filename in own:
            found = code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next
    if isinstance(error, SyntaxError) and error.filename in own:
        return str(error.filename), error.lineno or 1
    return found


class Watchdog:
    """Ends the worker when an import takes too long, with a word on where it is.

    As the parent counts: seconds of processor time, or of doing nothing.
    """

    def __init__(
        self, seconds: float, own: Collection[str], late: Callable[[Place | None], object]
    ) -> None:
        self._seconds = seconds
        self._own = own
        self._late = late
        self._main = threading.get_ident()
        self._done = threading.Event()
        self._one = threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        with self._one:
            self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        # Their own names: a submission may put others into these modules.
        clock, used, wait, end = time.monotonic, time.process_time, self._done.wait, os._exit
        frames = sys._current_frames
        started, before, last = clock(), used(), used()
        while not wait(_SLICE):
            passed, work = clock() - started, used()
            idle, last = work - last < _SLICE_WORK, work
            late = work - before > self._seconds or passed > _PATIENCE * self._seconds
            if late or (idle and passed > self._seconds):
                with self._one:
                    if not self._done.is_set():
                        self._late(of_frame(frames().get(self._main), self._own))
                        end(1)
