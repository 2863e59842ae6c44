"""How well workers are locked in, found out by trying."""

from __future__ import annotations

import os
import socket
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.errors import GraderError
from grader.sandbox import wire
from grader.sandbox.client.faults import CandidateError, WorkerLost
from grader.sandbox.client.worker import Worker
from grader.sandbox.server.start import Server
from grader.sandbox.worker import probe
from grader.vocabulary import IsolationLevel

_SECONDS = 10.0
_FLOOR = ("landlock", "seccomp", "rlimits")


@dataclass(frozen=True)
class Isolation:
    """level: "full" if nothing that was tried worked, "process" if a worker is at least another
    process, "none" if not even that was seen.

    mechanisms: those in effect; weaknesses: what worked.
    """

    level: IsolationLevel
    mechanisms: tuple[str, ...]
    weaknesses: tuple[str, ...]


class WeakIsolationError(GraderError):
    """Workers are not locked in well enough for somebody else's code."""


_MEASURED: weakref.WeakKeyDictionary[Server, Isolation] = weakref.WeakKeyDictionary()


def isolation_of(server: Server) -> Isolation:
    """What `measure` finds, which is done once for each server."""
    if server not in _MEASURED:
        _MEASURED[server] = measure(server)
    return _MEASURED[server]


def require_full(found: Isolation) -> None:
    """Raise WeakIsolationError below level `full`, with what is missing and how to get it."""
    if found.level == "full":
        return
    missing = [name for name in _FLOOR if name not in found.mechanisms]
    raise WeakIsolationError(
        f"isolation is at level {found.level}, and somebody else's code asks for level full. "
        f"A submission could {', '.join(found.weaknesses)}. "
        + (f"Not to be had here: {', '.join(missing)}. " if missing else "")
        + "Landlock needs Linux 5.13 or newer with landlock in /sys/kernel/security/lsm, and "
        "both need x86_64 or aarch64, and a container that lets them through. Use such a machine, "
        "or one that you can lose and --allow-weak-isolation."
    )


def measure(server: Server) -> Isolation:
    """Try from workers of this server what a submission must not be able to do."""
    with tempfile.TemporaryDirectory(prefix="grader-") as folder, socket.socket() as listener:
        canary = Path(folder) / "canary"
        canary.write_text("sing", encoding="utf-8")
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        given = {
            "canary": str(canary),
            "port": listener.getsockname()[1],
            "pid": os.getpid(),
        }
        try:
            return _measure(server, given)
        except (CandidateError, WorkerLost) as fault:
            return Isolation("none", (), (f"not be tested ({fault.message})",))


def _measure(server: Server, given: dict[str, Any]) -> Isolation:
    weaknesses: list[str] = []
    mechanisms: tuple[str, ...] = ()
    worker = Worker(server)
    for name in probe.NAMES:
        try:
            header, _ = worker.ask("probe", deadline=wire.Deadline(_SECONDS), name=name, **given)
        except WorkerLost as lost:
            if lost.status != "violation":
                raise
            worker = Worker(server)  # ended for trying, as it should be
            continue
        told = header.get("mechanisms")
        mechanisms = tuple(map(str, told)) if isinstance(told, list) else ()
        if header.get("works") is not False:
            weaknesses.append(name)
    worker.close()
    return Isolation("process" if weaknesses else "full", mechanisms, tuple(weaknesses))
