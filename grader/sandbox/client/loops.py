"""Where a submission was when its time was over, as its worker tells at a signal."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

# As `faulthandler` writes it, the innermost frame first.
_FRAME = re.compile(r'^  File "([^"\n]+)", line (\d+) in (.+)$', re.MULTILINE)


@dataclass(frozen=True)
class Frame:
    """A line that was being executed, or waited for the one that was."""

    file: str
    line: int
    function: str


def frames(told: bytes) -> list[Frame]:
    """The frames that a worker told of, the outermost first."""
    found = _FRAME.findall(told.decode("utf-8", "replace"))
    return [Frame(file, int(line[:9]), function[:100]) for file, line, function in reversed(found)]


def traceback(told: Sequence[Frame], folder: str, files: Mapping[str, bytes]) -> str:
    """The submission's own frames as Python prints them, up to the loop that does not end.

    That is the innermost `while` around any of the lines; without one the line itself is shown.
    """
    prefix = f"{folder}/"
    own = [
        Frame(f.file.removeprefix(prefix), f.line, f.function)
        for f in told
        if f.file.startswith(prefix) and f.file.removeprefix(prefix) in files
    ]
    for number in range(len(own) - 1, -1, -1):
        line = _loop_around(files[own[number].file], own[number].line)
        if line:
            own = [*own[:number], Frame(own[number].file, line, own[number].function)]
            break
    return "".join(_shown(frame, prefix, files[frame.file]) for frame in own)


def _shown(frame: Frame, prefix: str, text: bytes) -> str:
    lines = text.decode("utf-8", "replace").splitlines()
    code = lines[frame.line - 1].strip() if 0 < frame.line <= len(lines) else ""
    return f'  File "{prefix}{frame.file}", line {frame.line}, in {frame.function}\n    {code}\n'


def _loop_around(text: bytes, line: int) -> int:
    """The line of the innermost `while` around this one; 0 if there is none."""
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loops = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.While)]
        around = [n.lineno for n in loops if n.lineno <= line <= (n.end_lineno or n.lineno)]
        return max(around, default=0)
    return 0
