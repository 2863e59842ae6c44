"""The fork server: imports torch once, then forks one worker for each request.

It never runs a submission's code and keeps nothing of any, since later forks inherit its memory.
It has one thread and runs no torch operation before a fork.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import struct
import sys

from grader.worker import lockdown

# A command: one letter and a number. `F` comes with a descriptor, `R` with a worker's pid.
COMMAND = struct.Struct("<cq")
# A reply: a pid and an exit status as `os.waitpid` gives it.
REPLY = struct.Struct("<qq")
FORK, REAP = b"F", b"R"


def main(control_descriptor: int, limits: lockdown.Limits) -> None:
    """Serve until the parent closes the control socket."""
    from grader.worker.answers import Answerer, prepare

    sys.path[:] = [entry for entry in sys.path if entry and not _holds_the_kit(entry)]
    prepare()
    gc.collect()
    gc.freeze()
    control = socket.socket(fileno=control_descriptor)
    control.sendall(REPLY.pack(os.getpid(), 0))
    workers: set[int] = set()
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, COMMAND.size, 1)
        if len(data) < COMMAND.size:
            break
        letter, number = COMMAND.unpack(data)
        if letter == FORK and descriptors:
            pid = os.fork()
            if pid == 0:
                _become_worker(descriptors[0], limits, Answerer)
            os.close(descriptors[0])
            workers.add(pid)
            control.sendall(REPLY.pack(pid, 0))
        elif letter == REAP and number in workers:
            workers.discard(number)
            control.sendall(REPLY.pack(number, _end(number)))
    for pid in workers:
        _end(pid)
    os._exit(0)  # at once: unloading torch would take longer than a worker lives


def _holds_the_kit(entry: str) -> bool:
    """Whether importing from this folder would find solutions and checks beside the grader."""
    return os.path.isfile(os.path.join(entry, "grader", "worker", "server.py")) and os.path.isdir(
        os.path.join(entry, "solutions")
    )


def _become_worker(descriptor: int, limits: lockdown.Limits, answerer: type) -> None:
    status = 1
    try:
        lockdown.apply(limits, descriptor)
        answerer(socket.socket(fileno=descriptor)).serve()
        status = 0
    finally:
        os._exit(status)


def _end(pid: int) -> int:
    """Kill a worker and whatever it started in its session; its exit status."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]
