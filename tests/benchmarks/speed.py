"""How long a whole `grader grade` takes against `import torch`, and what the parent needs.

Once for gpt2 alone, once for all exercises.

    python -m tests.benchmarks.speed [RUNS]

The commands run as whole processes, in turn; medians are compared.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time

from tests.bank import ROOT

IMPORT = [sys.executable, "-c", "import torch"]
GRADE = [sys.executable, "-m", "grader", "grade", "solutions/gpt2.py", "--seed", "0"]
ALL = [*GRADE[:4], "solutions", "--exercise", "all", "--seed", "0"]
# The peak of the process itself: its children, where torch lives, are counted apart.
PEAK = (
    "import resource, sys; sys.argv = ['grader', 'grade', 'solutions/gpt2.py', '--seed', '0']\n"
    "from grader.cli import main\n"
    "try: main()\n"
    "except SystemExit: pass\n"
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)


def seconds(command: list[str]) -> tuple[float, float]:
    """Wall time of one run, and what it and its children used of all processors."""
    before = _used()
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started, _used() - before


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds(IMPORT)
    turns = [(seconds(IMPORT), seconds(GRADE), seconds(ALL)) for _ in range(runs)]
    importing, used = (statistics.median(turn[0][which] for turn in turns) for which in (0, 1))
    print(f"import torch      {importing:6.2f} s   (median of {runs}), {used:.2f} s of processors")
    for column, what, asked in ((1, "grader grade", 2), (2, "--exercise all", 4.5)):
        took = statistics.median(turn[column][0] for turn in turns)
        ratios = sorted(turn[column][0] / turn[0][0] for turn in turns)
        beyond = statistics.median(turn[column][1] / turn[0][1] - 1 for turn in turns)
        print(f"{what:<17} {took:6.2f} s")
        print(f"ratio of medians  {took / importing:6.2f}     (asked: at most {asked:g})")
        print(f"ratios in turn    {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
        limit = "     (asked: at most 1.5)" if column == 1 else ""
        print(f"processors        {beyond:6.2f} times those of one import, beyond it{limit}")
    done = subprocess.run(
        [sys.executable, "-c", PEAK], cwd=ROOT, check=True, capture_output=True, text=True
    )
    megabytes = int(done.stdout.split()[-1]) / (1024 if sys.platform != "darwin" else 1024**2)
    print(f"parent's peak     {megabytes:6.0f} MB  (asked: under 200)")


if __name__ == "__main__":
    main()
