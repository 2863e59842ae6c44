"""The fork server: imports torch once, then forks one locked-down worker for each request.

It never runs a submission's code and keeps nothing of any, since later forks inherit its memory.
It has one thread and runs no torch operation before a fork.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from grader.sandbox.worker import kernel, lockdown

if TYPE_CHECKING:
    from resource import struct_rusage  # which Windows does not have

# A command: one letter and a number. `F` comes with a descriptor, the others with a worker's pid
# (`R` with its negative to let it end by itself first).
COMMAND = struct.Struct("<cq")
# A reply: a pid, an exit status as `os.waitpid` gives it, and nanoseconds of the processor.
REPLY = struct.Struct("<qqq")
FORK, REAP, USED, WHERE = b"F", b"R", b"U", b"W"
WHERE_SIGNAL = signal.SIGUSR1  # at which a worker tells where it is
NO_WORKER = -1  # in place of a pid: there is no process to be had
STILL_ALIVE = -1  # in place of an exit status: it had to be killed
_DYING_SECONDS = 0.5  # for a worker that has closed its connection to be gone


def main(
    control_descriptor: int,
    limits: lockdown.Limits,
    without: Collection[str],
    found: tuple[str, ...],
) -> None:
    """Serve until the parent closes the control socket.

    without: mechanisms not to use; found: those that the parent has put around this process.
    """
    gc.disable()  # what is imported stays
    if not found:
        found = lockdown.enter(without)
    with contextlib.suppress(kernel.UnavailableError, OSError):
        kernel.open_memory(False)
    control = socket.socket(fileno=control_descriptor)
    answerer = ready()
    plan = lockdown.prepare(limits, without, found)
    gc.freeze()
    gc.enable()
    control.sendall(REPLY.pack(os.getpid(), 0, 0))
    workers: set[int] = set()
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, COMMAND.size, 1)
        if len(data) < COMMAND.size:
            break
        letter, number = COMMAND.unpack(data)
        if letter == FORK and descriptors:
            pid = _forked()
            if pid == 0:
                _become_worker(socket.socket(fileno=descriptors[0]), plan, answerer)
            os.close(descriptors[0])
            workers |= {pid} - {NO_WORKER}
            control.sendall(REPLY.pack(pid, 0, 0))
        elif letter == REAP and abs(number) in workers:
            workers.discard(abs(number))
            control.sendall(REPLY.pack(abs(number), *_end(abs(number), number < 0)))
        elif letter == USED and number in workers:
            control.sendall(REPLY.pack(number, 0, _processor_time(number)))
        elif letter == WHERE and number in workers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(number, WHERE_SIGNAL)
            control.sendall(REPLY.pack(number, 0, 0))
    for pid in workers:
        _end(pid, False)
    with contextlib.suppress(OSError):
        os.rmdir(os.getcwd())  # for a parent that was killed; it is empty
    os._exit(0)  # at once: unloading torch would take longer than a worker lives


def ready() -> type:
    """Import torch, and take the kit out of reach; the class that answers questions."""
    from grader.sandbox.worker.answers import RequestHandler, prepare

    sys.dont_write_bytecode = True
    sys.path[:] = [entry for entry in sys.path if entry and not _holds_the_kit(entry)]
    prepare()
    return RequestHandler


def _holds_the_kit(entry: str) -> bool:
    """Whether importing from this folder would find solutions and checks beside the grader."""
    return os.path.isfile(os.path.join(entry, "grader", "sandbox", "wire.py")) and os.path.isdir(
        os.path.join(entry, "solutions")
    )


def _forked() -> int:
    """As `os.fork`, but NO_WORKER where the machine gives no process."""
    try:
        return os.fork()
    except OSError:  # another worker has used up what there is
        return NO_WORKER


def _become_worker(connection: socket.socket, plan: lockdown.Plan, answerer: type) -> None:
    status = 1
    try:
        mechanisms = lockdown.apply(plan, connection)
        # Written by C code, in whatever the submission is: a loop in Python, or in an operation.
        faulthandler.register(WHERE_SIGNAL, connection, all_threads=False)
        answerer(connection, mechanisms, plan.reach).serve()
        status = 0
    finally:
        os._exit(status)


def _processor_time(pid: int) -> int:
    """Nanoseconds of a worker's life. Its clock's number: see clock_getcpuclockid(3)."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0  # it has just ended


def _end(pid: int, dying: bool) -> tuple[int, int]:
    """Kill a worker and whatever it started in its session; its exit status, and nanoseconds.

    dying: give it the time to end by itself, to learn how it did. STILL_ALIVE if it does not.
    """
    deadline = time.monotonic() + (_DYING_SECONDS if dying else 0)
    while dying and time.monotonic() < deadline:
        ended, status, used = os.wait4(pid, os.WNOHANG)
        if ended:
            return status, _nanoseconds(used)
        time.sleep(0.001)
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
    _, status, used = os.wait4(pid, 0)
    return STILL_ALIVE if dying else status, _nanoseconds(used)


def _nanoseconds(used: struct_rusage) -> int:
    return int((used.ru_utime + used.ru_stime) * 1e9)
