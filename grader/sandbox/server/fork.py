"""Starts the fork server and asks it for workers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Collection
from dataclasses import asdict
from itertools import count

from grader.errors import GraderFault
from grader.sandbox.server import bubblewrap
from grader.sandbox.server.launch import launch
from grader.sandbox.server.privacy import PRIVACY
from grader.sandbox.worker.lockdown import Limits
from grader.sandbox.worker.server import (
    COMMAND,
    FORK,
    NO_WORKER,
    REAP,
    REPLY,
    STILL_ALIVE,
    USED,
    WHERE,
)

_BOOT = (
    "control, limits, without, found = json.loads(sys.argv[1]);"
    "from grader.sandbox.worker import lockdown, server;"
    "server.main(control, lockdown.Limits(**limits), without, tuple(found))"
)
_START_SECONDS = 120.0  # a cold `import torch` on a slow disk


class ForkServer:
    """A process that has imported torch and forks workers. Start early: it loads meanwhile.

    Threads may share it: they are served one after another.

    without: mechanisms of the lock-down not to use, for tests and measurements.
    """

    SLOW = False  # to give a worker

    def __init__(self, limits: Limits, without: Collection[str] = ()) -> None:
        self._limits = limits
        self._without = tuple(without)
        self._ready = False
        self._handles = count(1)
        self._pids: dict[int, int] = {}  # of the workers, by their handles
        self._one_at_a_time = threading.Lock()
        self._folder = tempfile.mkdtemp(prefix="grader-")
        outer = None if "bubblewrap" in without else bubblewrap.command()
        self._wrapped = outer is not None
        self._closed = False
        PRIVACY.begin()
        self._start(outer or [])

    def _start(self, outer: list[str]) -> None:
        self._control, theirs = socket.socketpair()
        found = ("namespaces", "bubblewrap") if outer else ()
        given = [theirs.fileno(), asdict(self._limits), self._without, found]
        with theirs:
            self._process = launch(_BOOT, given, self._folder, outer, [theirs.fileno()])

    def fork(self) -> tuple[int, socket.socket]:
        """A new worker: a handle to it and the connection to it.

        A server that has died, or gets no process for want of what the workers use up, is started
        anew, and all workers end. Raises GraderFault.
        """
        with self._one_at_a_time:
            try:
                return self._fork()
            except GraderFault:
                if not self._ready:
                    raise  # it has never worked
                self._restart()
                return self._fork()

    def _fork(self) -> tuple[int, socket.socket]:
        self._wait_until_ready()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [COMMAND.pack(FORK, 0)], [theirs.fileno()])
                pid, _, _ = self._reply()
                if pid == NO_WORKER:
                    raise GraderFault("the machine gives the grader no more processes")
            except (OSError, GraderFault) as error:
                ours.close()
                raise GraderFault(str(error)) from error
        handle = next(self._handles)
        self._pids[handle] = pid
        return handle, ours

    def _restart(self) -> None:
        self._pids.clear()
        self._stop(0)
        self._ready = False
        self._start((bubblewrap.command() if self._wrapped else None) or [])

    def end(self, handle: int, dying: bool = False) -> tuple[int | None, float]:
        """End a worker; its exit code as `os.waitstatus_to_exitcode` gives it, and the seconds
        that it used of its processor.

        dying: let it end by itself; no exit code if it does not.
        """
        with self._one_at_a_time:
            pid = self._pids.pop(handle, None)
            if pid is None:
                return -signal.SIGKILL, 0.0  # with the server that had it
            status, used = self._told(REAP, -pid if dying else pid, (STILL_ALIVE, 0))
        code = None if status == STILL_ALIVE else os.waitstatus_to_exitcode(status)
        return code, used / 1e9

    def processor_seconds(self, handle: int) -> float:
        """What a worker has used of its processor."""
        with self._one_at_a_time:
            return self._told(USED, self._pids.get(handle), (0, 0))[1] / 1e9

    def ask_where(self, handle: int) -> None:
        """Let a worker write on its connection where it is, in place of an answer."""
        with self._one_at_a_time:
            self._told(WHERE, self._pids.get(handle), (0, 0))

    def _told(
        self, command: bytes, number: int | None, otherwise: tuple[int, int]
    ) -> tuple[int, int]:
        """What the server says of a worker: its exit status, and nanoseconds; `otherwise` if it
        has gone, as it will be found.
        """
        if number is None:
            return otherwise
        with contextlib.suppress(OSError, GraderFault):
            self._control.sendall(COMMAND.pack(command, number))
            return self._reply()[1:]
        return otherwise

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server and all its workers."""
        if not self._closed:
            PRIVACY.end()
        self._closed = True
        self._stop(5 if self._ready else 0)  # one that is still loading has no workers to end
        shutil.rmtree(self._folder, ignore_errors=True)

    def _stop(self, patience: float) -> None:
        self._control.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()

    def _wait_until_ready(self) -> None:
        if self._ready:
            return
        try:
            self._reply()
        except GraderFault:
            if not self._wrapped:
                raise
            # Installed, and not allowed to work here: the lock-down does without.
            self._wrapped = False
            self._stop(0)
            self._start([])
            self._reply()
        self._ready = True

    def _reply(self) -> tuple[int, int, int]:
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
        pid, status, used = REPLY.unpack(data)
        return pid, status, used

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        if self._process.poll() is None or self._process.stderr is None:
            return "It is still running."
        return self._process.stderr.read()[-2000:].decode("utf-8", "replace")
