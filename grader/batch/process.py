"""A process that grades for another one: what breaks it costs that one nothing.

Both sides are trusted; what a submission says comes to this process only over the wire.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from grader.report.model import Report
from grader.submission import Submission

_ROOT = Path(__file__).resolve().parents[2]
_START = "import sys; sys.path[:1] = [{root!r}]; from grader.batch import process; process.main()"
_SECONDS = 3600.0  # more than any grading takes


class GraderDied(Exception):
    """The process ended before it answered. The message says how."""


class Grader:
    """A handle to such a process, which is started when it is first asked."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def grade(self, submission: Submission, options: object) -> Report:
        """The report. Raises GraderDied, or what grading raised."""
        process, questions, answers = self._started()
        timer = threading.Timer(_SECONDS, process.kill)
        timer.start()
        try:
            pickle.dump((submission, options), questions)
            questions.flush()
            answer = pickle.load(answers)
        except (OSError, EOFError, pickle.UnpicklingError):
            self._end()
            raise GraderDied(f"the grading process ended with {process.returncode}") from None
        finally:
            timer.cancel()
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, Report)
        return answer

    def close(self) -> None:
        """End the process, and start none again."""
        with self._lock:
            self._closed = True
        self._end()

    def _started(self) -> tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]:
        with self._lock:
            if self._closed:
                raise GraderDied("the batch has been stopped")
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _START.format(root=str(_ROOT))],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    cwd=tempfile.gettempdir(),
                    start_new_session=True,  # Ctrl-C is for the one who asks
                )
            process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        return process, process.stdin, process.stdout

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()


def main() -> None:
    """Grade what comes in until nothing more does."""
    from grader.grading import Options, judge
    from grader.remote import Limits, start

    questions, answers = sys.stdin.buffer, _private_output()
    submission: Submission
    options: Options
    given = _next(questions)
    gc.freeze()  # what is imported stays: it need not be looked through again and again
    while given is not None:
        timeout = given[1].timeout
        with start(Limits.allowing(timeout)) as server:
            while given is not None and given[1].timeout == timeout:
                submission, options = given
                answer: Report | Exception
                try:
                    answer = judge(submission, options, lambda result: None, server)
                except Exception as error:
                    answer = _plain(error)
                pickle.dump(answer, answers)
                answers.flush()
                given = _next(questions)


def _next(questions: IO[bytes]) -> tuple[Submission, Any] | None:
    """The next question; None when nobody asks any more."""
    try:
        found: tuple[Submission, Any] = pickle.load(questions)
    except EOFError:
        return None
    return found


def _private_output() -> IO[bytes]:
    """What was standard output; from now on nothing that is printed gets there."""
    private = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return private


def _plain(error: Exception) -> Exception:
    """The exception, or its words if it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
