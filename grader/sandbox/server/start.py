"""Which kind of server makes the workers on this platform."""

from __future__ import annotations

import sys
from collections.abc import Collection

from grader.sandbox.server.fork import ForkServer
from grader.sandbox.server.spawn import SpawnServer
from grader.sandbox.worker.lockdown import Limits

Server = ForkServer | SpawnServer


def start(limits: Limits | None = None, without: Collection[str] = ()) -> Server:
    """A server of workers. Forking a process that has imported torch is safe on Linux only."""
    kind = ForkServer if sys.platform.startswith("linux") else SpawnServer
    return kind(limits or Limits(), without)
