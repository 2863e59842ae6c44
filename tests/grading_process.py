"""A process of its own that grades what it is told to, so that a test sees its memory and children.

    python -m tests.grading_process [MECHANISM …]    (mechanisms of the lock-down to go without)

Each line read is {"path": …, "timeout": …}, each line written is what came out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from grader.grading import Options, grade
from grader.sandbox.client import start
from grader.submission import UnusableInput
from tests.bank import ROOT


def main() -> None:
    with start(without=sys.argv[1:]) as server:
        for line in sys.stdin:
            asked = json.loads(line)
            try:
                options = Options(seed=1, timeout=asked["timeout"])
                report = grade(Path(asked["path"]), options, server=server)
                found = {
                    "verdict": report.verdict,
                    "score": report.score,
                    "statuses": sorted({result.status for result in report.results}),
                    "messages": sorted({result.message for result in report.results}),
                    "level": report.isolation_level,
                    "seconds": report.seconds,
                }
            except UnusableInput as error:
                found = {"verdict": "unusable", "messages": [str(error)]}
            print(json.dumps({**found, "megabytes": _peak()}), flush=True)


def _peak() -> float:
    """Megabytes. Not `ru_maxrss`, which a process inherits from the one that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024


class GradingProcess:
    """A handle to one such process, started once for many submissions."""

    def __init__(self, *without: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.grading_process", *without],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.grade(ROOT / "exercises")  # from now on its children are those that stay

    @property
    def pid(self) -> int:
        """Of the process that grades."""
        return self._process.pid

    def grade(self, path: Path, timeout: float = 1.0) -> dict[str, Any]:
        """What came out of grading this path."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"path": str(path), "timeout": timeout}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it, as a user's command ends."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)


if __name__ == "__main__":
    main()
