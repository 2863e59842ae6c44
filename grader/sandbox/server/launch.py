"""Starts the untrusted side's processes: which Python, with what environment, where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_KEPT = ("HOME", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def launch(
    code: str,
    given: Sequence[object],
    folder: str,
    outer: Sequence[str] = (),
    descriptors: Collection[int] = (),
) -> subprocess.Popen[bytes]:
    """A new session in which Python runs `code`, with the values of `given` in `sys.argv[1]`.

    folder: where; outer: a command to run it under; descriptors: those that it inherits.
    """
    # Sleeping between parallel regions, not spinning, and one thread: workers are many.
    environment = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment |= {name: os.environ[name] for name in _KEPT if name in os.environ}
    start = f"import json, sys; sys.path.insert(0, {str(_ROOT)!r}); {code}"
    return subprocess.Popen(
        [*outer, sys.executable, "-c", start, json.dumps(given)],
        pass_fds=tuple(descriptors),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
