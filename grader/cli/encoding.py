"""Output in an encoding that lacks some of the characters: others take their place."""

from __future__ import annotations

import codecs
import io
import sys

_HANDLER = "grader.look-alikes"
_LIKE = {
    **{"√": "sqrt ", "≤": "<=", "≥": ">=", "×": "x", "·": "*", "−": "-", "∞": "inf", "π": "pi"},
    **{"ᵀ": "^T", "Φ": "Phi", "…": "...", "–": "-", "—": "-", "’": "'", "“": '"', "”": '"'},
    **{"✗": "x", "✓": "+", "━": "=", "─": "-", "│": "|", "→": "->", "←": "<-", "█": "#"},
}


def settle() -> None:
    """Let standard output and error write whatever there is to say. Nothing raises
    UnicodeEncodeError from then on.
    """
    codecs.register_error(_HANDLER, _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """What is written in place of characters that the encoding does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    written = "".join(_LIKE.get(c, "?") for c in lost)
    # What takes a character's place has to be in the encoding itself.
    return written.encode("ascii", errors="replace").decode("ascii"), error.end
