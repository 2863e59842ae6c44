"""What many grades in a row leave behind: processes, descriptors, temporary files.

    python -m tests.benchmarks.leftovers [GRADES]

A crashing, a hanging and a right submission in turn, the hanging one with a short timeout.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests import traces
from tests.bank import FOLDER, ROOT
from tests.grading_process import GradingProcess

CRASHING = FOLDER / "hostile" / "abort_at_the_tenth_call.py"
RIGHT = ROOT / "solutions" / "gpt2.py"
HANGING = """
from torch import nn


class MLP(nn.Linear):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__(embed_dim, embed_dim)

    def forward(self, x):
        while True:
            pass
"""
SECONDS = 0.2  # for each check of the one that hangs


def main() -> None:
    grades = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    started, orphans = time.monotonic(), traces.orphans()
    hanging = Path(tempfile.mkdtemp()) / "hanging.py"
    hanging.write_text(HANGING, encoding="utf-8")
    temporary = Path(tempfile.mkdtemp())  # the grader's own, in which nobody else writes
    os.environ["TMPDIR"] = str(temporary)
    process = GradingProcess()
    running, descriptors = (
        traces.descendants(process.pid),
        len(os.listdir(f"/proc/{process.pid}/fd")),
    )
    for number in range(grades):
        path = (CRASHING, hanging, RIGHT)[number % 3]
        report = process.grade(path, SECONDS if path == hanging else 10.0)
        assert report["verdict"] == ("pass" if path == RIGHT else "fail"), report
    more = len(traces.descendants(process.pid) - running)
    opened = len(os.listdir(f"/proc/{process.pid}/fd")) - descriptors
    process.close()
    left = len(list(temporary.iterdir()))
    for folder in (hanging.parent, temporary):
        shutil.rmtree(folder)
    print(
        f"{grades} grades in {(time.monotonic() - started) / 60:.1f} minutes. While the grader "
        f"runs: {more} more processes, {opened:+d} descriptors. After it: "
        f"{len(traces.orphans() - orphans)} processes, {left} temporary "
        f"files; memory {report['megabytes']:.0f} MB"
    )


if __name__ == "__main__":
    main()
