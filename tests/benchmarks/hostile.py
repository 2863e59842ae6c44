"""The hostile bank at some isolation level: none passes, and at level full none harms.

    python -m tests.benchmarks.hostile [MECHANISM …]

The mechanisms are those to go without (see lockdown.py of the worker). Run it as root and as an
ordinary user, and with `bubblewrap namespaces landlock seccomp capabilities` for level process.
"""

from __future__ import annotations

import os
import sys
from collections import Counter

from tests import traces
from tests.bank import known
from tests.grading_process import GradingProcess

TIMEOUT = 2.0


def main() -> None:
    bank = known("hostile")
    process = GradingProcess(*sys.argv[1:])
    tree, children = traces.tree(), traces.descendants(process.pid)
    levels: Counter[str] = Counter()
    passed, harm, blamed, slowest, largest = [], [], 0, 0.0, 0.0
    for submission in bank:
        report = process.grade(submission.path, TIMEOUT)
        levels[report["level"]] += 1
        slowest = max(slowest, report["seconds"])
        largest = max(largest, report["megabytes"])
        blamed += bool(set(report["statuses"]) & set(submission.header["status"].split("|")))
        if report["verdict"] != "fail":
            passed.append(f"{submission}: {report['verdict']}")
        left = traces.markers(submission.path)
        if left or traces.tree() != tree or traces.descendants(process.pid) != children:
            harm.append(f"{submission}: {', '.join(left) or 'files or processes'}")
            for marker in left:
                os.remove(marker)
            tree, children = traces.tree(), traces.descendants(process.pid)
    process.close()
    print(f"{len(bank)} hostile submissions, user {os.getuid()}, levels {dict(levels)}")
    print(f"not failed: {len(passed)}; blamed as the header says: {blamed}; harm: {len(harm)}")
    print(f"slowest {slowest:.1f} s; grader's memory at most {largest:.0f} MB")
    for line in (*passed, *harm):
        print(f"  {line}")


if __name__ == "__main__":
    main()
