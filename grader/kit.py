"""Which kit this is: its version, and a digest of its own files."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from grader import __version__

_DIGITS = 12


@cache
def identity() -> str:
    """Such as "0.1.0+5d1c0a27be94". Two kits of one identity come to the same verdicts."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".py", ".toml", ".jinja", ".js", ".ini"):
            text = file.read_bytes().replace(b"\r\n", b"\n")
            digest.update(f"{file.relative_to(folder).as_posix()}\0{len(text)}\0".encode() + text)
    return f"{__version__}+{digest.hexdigest()[:_DIGITS]}"
