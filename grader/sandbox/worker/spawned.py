"""A worker that is a process of its own from the start, where forking after torch is not safe."""

from __future__ import annotations

import os
import socket

from grader.sandbox.worker import lockdown
from grader.sandbox.worker.server import ready


def main(port: int, token: str, limits: lockdown.Limits, without: list[str]) -> None:
    """Load torch, call the parent on this machine's `port`, lock down, and answer."""
    answerer = ready()
    plan = lockdown.prepare(limits, without, ())
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(bytes.fromhex(token))
    mechanisms = lockdown.apply(plan, connection)
    answerer(connection, mechanisms, plan.reach).serve()
    os._exit(0)  # at once, as a forked worker
