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
from queue import SimpleQueue
from typing import IO, Any

from grader.results import Report
from grader.sandbox.client import Limits, Server, start
from grader.submission import Submission

_ROOT = Path(__file__).resolve().parents[2]
_START = "import sys; sys.path[:1] = [{root!r}]; from grader.batch import process; process.main()"
_GOODBYE_SECONDS = 10.0


class GraderDied(Exception):
    """The process ended before it answered. The message says how."""


class GraderLate(GraderDied):
    """It was ended, since it had not answered in time."""


class Grader:
    """A handle to such a process, which is started when it is first asked."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def grade(self, submission: Submission, options: object, seconds: float = 3600.0) -> Report:
        """The report. Raises GraderDied, or what grading raised. seconds: after which it ends."""
        process, questions, answers = self._started()
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds, end)
        timer.start()
        try:
            pickle.dump((submission, options), questions)
            questions.flush()
            answer = pickle.load(answers)
        except (OSError, EOFError, pickle.UnpicklingError):
            self._end()
            if late.is_set():
                raise GraderLate(f"not done after {seconds:g} seconds") from None
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
        if process is None:
            return
        with process:  # closes the pipes, which tells it to end
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
            try:
                process.wait(_GOODBYE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def main() -> None:
    """Grade what comes in until nothing more does."""
    from grader.grading import Options, judge

    answers = _private_output()
    questions: SimpleQueue[tuple[Submission, Options]] = SimpleQueue()
    servers: list[Server] = []
    given = sys.stdin.buffer, questions, servers
    threading.Thread(target=_listen, args=given, daemon=True).start()
    submission, options = questions.get()
    gc.freeze()  # what is imported stays: it need not be looked through again and again
    while True:
        budget = options.budget
        with start(Limits.allowing(budget)) as server:
            servers[:] = [server]
            while options.budget == budget:
                answer: Report | Exception
                try:
                    answer = judge(submission, options, lambda result: None, server)
                except Exception as error:
                    answer = _plain(error)
                pickle.dump(answer, answers)
                answers.flush()
                submission, options = questions.get()


def _listen(questions: IO[bytes], heard: SimpleQueue[Any], servers: list[Server]) -> None:
    """Take in questions. When nobody asks any more, end at once, whatever is being graded."""
    while True:
        try:
            heard.put(pickle.load(questions))
        except EOFError:
            for server in servers:  # and leave nothing behind
                server.close()
            os._exit(0)


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
