"""Runs code as somebody would who pastes it into a Python prompt beside a submission.

No sandbox and none of the grader's workers: one plain process that has imported torch, which forks
for each piece of code, so that a bank's worth of them takes seconds and not minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_SERVE = """
import io, json, os, sys, tempfile, traceback
import numpy, torch
torch.set_num_threads(1)
for line in sys.stdin:
    code, folders, seconds = json.loads(line)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if not pid:
            import signal
            signal.alarm(seconds)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os.chdir(folders[0])
            sys.path[:0] = folders
            failed = 0
            try:
                exec(compile(code, "<pasted>", "exec"), {"__name__": "__main__"})
            except BaseException:
                traceback.print_exc()
                failed = 1
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(failed)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        for file in (out, err):
            file.seek(0)
        said = [file.read(200_000).decode("utf-8", "replace") for file in (out, err)]
    print(json.dumps([status, *said]), flush=True)
"""


@dataclass(frozen=True)
class Ran:
    """What code did: its exit status, and what it wrote."""

    status: int
    stdout: str
    stderr: str

    @property
    def raised(self) -> str:
        """The last line of its traceback, "" if there is none."""
        return self.stderr.rstrip().rpartition("\n")[2] if self.status else ""


class PlainPython:
    """A process that runs code. Close it, or use it in a with-block."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, code: str, *folders: Path, seconds: int = 60) -> Ran:
        """Run code in the first folder, where modules are found in each of them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([code, list(map(str, folders)), seconds]) + "\n")
        self._process.stdin.flush()
        return Ran(*json.loads(self._process.stdout.readline()))

    def __enter__(self) -> PlainPython:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
