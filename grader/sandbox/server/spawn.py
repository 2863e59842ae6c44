"""Workers as processes of their own, for platforms where forking after torch is not safe."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Collection
from dataclasses import asdict

from grader.errors import GraderFault
from grader.sandbox.server.launch import launch
from grader.sandbox.worker.lockdown import Limits

_BOOT = (
    "port, token, limits, without = json.loads(sys.argv[1]);"
    "from grader.sandbox.worker import lockdown, spawned;"
    "spawned.main(port, token, lockdown.Limits(**limits), without)"
)
_START_SECONDS = 120.0
_DYING_SECONDS = 1.0
_TOKEN_BYTES = 32


class SpawnServer:
    """Makes workers as `ForkServer` does, each in seconds; the next one loads meanwhile.

    without: mechanisms of the lock-down not to use, for tests.
    """

    SLOW = True  # to give a worker

    def __init__(self, limits: Limits, without: Collection[str] = ()) -> None:
        self._limits = limits
        self._without = list(without)
        self._folder = tempfile.mkdtemp(prefix="grader-")
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        # Whoever calls must know the token, which keeps others on this machine out.
        self._token = secrets.token_bytes(_TOKEN_BYTES)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._next = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        port = self._listener.getsockname()[1]
        given = [port, self._token.hex(), asdict(self._limits), self._without]
        return launch(_BOOT, given, self._folder)

    def fork(self) -> tuple[int, socket.socket]:
        """A new worker: its pid and the connection to it."""
        process = self._next
        self._workers[process.pid] = process
        self._listener.settimeout(_START_SECONDS)
        try:
            connection, _ = self._listener.accept()
            connection.settimeout(_START_SECONDS)
            known = connection.recv(_TOKEN_BYTES, socket.MSG_WAITALL) == self._token
        except OSError as error:
            raise GraderFault(f"a worker did not start: {error}") from error
        if not known:
            connection.close()
            raise GraderFault("somebody else called in place of a worker")
        # Only now, so that no two call at once.
        self._next = self._spawn()
        return process.pid, connection

    def end(self, pid: int, dying: bool = False) -> tuple[int | None, float]:
        """End a worker; its exit code, and nothing of its processor time, which is not known here.

        dying: let it end by itself; no exit code if it does not.
        """
        process, code = self._workers.pop(pid), None
        if dying:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(_DYING_SECONDS)
        _kill(process)
        return (code if dying else process.returncode), 0.0

    def ask_where(self, pid: int) -> None:
        """Nothing: these workers tell nothing of where they are."""

    def processor_seconds(self, pid: int) -> float:
        """Not known here; a worker that seems to do nothing gets no more time."""
        return 0.0

    def __enter__(self) -> SpawnServer:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """End all workers."""
        self._listener.close()
        for process in (self._next, *self._workers.values()):
            _kill(process)
        shutil.rmtree(self._folder, ignore_errors=True)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The process and what it started in its session, where there is such a thing."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    if process.stderr:
        process.stderr.close()
