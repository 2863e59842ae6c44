"""The processes in which workers live, as the parent starts and ends them.

Nothing here needs NumPy: torch is loading in the server while the parent loads the rest.
"""

from grader.sandbox.server.start import Server, start
from grader.sandbox.worker.lockdown import Limits

__all__ = ["Limits", "Server", "start"]
