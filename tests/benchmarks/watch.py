"""From a save to first failure and verdict on the screen, in a pseudo-terminal, in `import torch`s.

python -m tests.benchmarks.watch [ROUNDS]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import pexpect

from tests.bank import ROOT


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    right = (ROOT / "solutions" / "gpt2.py").read_text(encoding="utf-8")
    wrong = right.replace(".tril()", "")
    firsts, verdicts, imports = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "gpt2.py")
        file.write_text(right, encoding="utf-8")
        arguments = ["-m", "grader", "watch", str(file)]
        watcher = pexpect.spawn(sys.executable, arguments, timeout=60, dimensions=(40, 100))
        watcher.expect_exact("PASS  100 of 100")
        for number in range(rounds):
            started = time.monotonic()
            subprocess.run([sys.executable, "-c", "import torch"], check=True)
            imports.append(time.monotonic() - started)
            saved = time.monotonic()
            file.write_text(f"{wrong}\n# {number}\n", encoding="utf-8")
            watcher.expect_exact("attention.causal")
            firsts.append(time.monotonic() - saved)
            watcher.expect_exact("FAIL  75 of 100")
            saved = time.monotonic()
            file.write_text(f"{right}\n# {number}\n", encoding="utf-8")
            watcher.expect_exact("PASS  100 of 100")
            verdicts.append(time.monotonic() - saved)
        watcher.send("q")
        watcher.expect(pexpect.EOF)
    torch = median(imports)
    print(f"`import torch` {torch:.2f} s")
    for name, times in (("first failure", firsts), ("verdict", verdicts)):
        print(f"from save to {name} {median(times):.2f} s, {median(times) / torch:.2f} of that")


if __name__ == "__main__":
    main()
