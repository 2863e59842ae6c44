"""From a save to the verdict on the screen, in a pseudo-terminal, against `import torch`.

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

_KEYS = " quit"  # the last words on the screen


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    reference = (ROOT / "solutions" / "gpt2.py").read_text(encoding="utf-8")
    saves, imports, saved = [], [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "gpt2.py")
        file.write_text(reference, encoding="utf-8")
        arguments = ["-m", "grader", "watch", str(file)]
        watcher = pexpect.spawn(sys.executable, arguments, timeout=30, dimensions=(40, 100))
        for number in range(rounds + 1):  # the first grading is not that of a save
            watcher.expect_exact(_KEYS)
            if number:
                saves.append(time.monotonic() - saved)
            started = time.monotonic()
            subprocess.run([sys.executable, "-c", "import torch"], check=True)
            imports.append(time.monotonic() - started)
            saved = time.monotonic()
            file.write_text(f"{reference}\n# {number}\n", encoding="utf-8")
        watcher.expect_exact(_KEYS)
        watcher.send("q")
        watcher.expect(pexpect.EOF)
    print(f"from save to verdict {median(saves):.2f} s, `import torch` {median(imports):.2f} s")
    print(f"ratio {median(saves) / median(imports):.2f} (at most 1)")


if __name__ == "__main__":
    main()
