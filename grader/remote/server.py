"""Starts the fork server and asks it for workers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from grader.remote.faults import GraderFault
from grader.worker.lockdown import Limits
from grader.worker.server import COMMAND, FORK, REAP, REPLY

_ROOT = Path(__file__).resolve().parents[2]
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from grader.worker import lockdown, server;"
    "server.main(int(sys.argv[2]), lockdown.Limits(int(sys.argv[3]), int(sys.argv[4])))"
)
_START_SECONDS = 120.0  # a cold `import torch` on a slow disk


class ForkServer:
    """A process that has imported torch and forks workers. Start early: it loads meanwhile."""

    def __init__(self, limits: Limits) -> None:
        self._ready = False
        self._folder = tempfile.mkdtemp(prefix="grader-")
        self._control, theirs = socket.socketpair()
        numbers = [str(number) for number in asdict(limits).values()]
        # Sleeping between parallel regions, not spinning, and one thread: workers are many.
        environment = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        for name in ("HOME", "SYSTEMROOT", "LD_LIBRARY_PATH"):
            if name in os.environ:
                environment[name] = os.environ[name]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(_ROOT), str(theirs.fileno()), *numbers],
                pass_fds=[theirs.fileno()],
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )

    def fork(self) -> tuple[int, socket.socket]:
        """A new worker: its pid and the connection to it."""
        self._wait_until_ready()
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [COMMAND.pack(FORK, 0)], [theirs.fileno()])
        pid, _ = self._reply()
        return pid, ours

    def end(self, pid: int) -> int:
        """End a worker; its exit code as `os.waitstatus_to_exitcode` gives it."""
        self._control.sendall(COMMAND.pack(REAP, pid))
        return os.waitstatus_to_exitcode(self._reply()[1])

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server and all its workers."""
        self._control.close()
        try:
            # One that is still loading has no workers to end.
            self._process.wait(5 if self._ready else 0)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_until_ready(self) -> None:
        if not self._ready:
            self._reply()
            self._ready = True

    def _reply(self) -> tuple[int, int]:
        self._control.settimeout(_START_SECONDS)
        data = b""
        with contextlib.suppress(OSError):
            while len(data) < REPLY.size:
                part = self._control.recv(REPLY.size - len(data))
                if not part:
                    break
                data += part
        if len(data) < REPLY.size:
            raise GraderFault(f"the fork server did not answer. {self._last_words()}")
        pid, status = REPLY.unpack(data)
        return pid, status

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        if self._process.poll() is None or self._process.stderr is None:
            return "It is still running."
        return self._process.stderr.read()[-2000:].decode("utf-8", "replace")
