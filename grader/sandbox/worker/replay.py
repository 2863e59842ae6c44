"""Runs the code of a counterexample, as somebody would who pastes it beside the submission."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

_MOST = 4000  # characters of what is printed


def replay(text: str, merges: list[tuple[bytes, bytes]] | None) -> tuple[str, str]:
    """What code prints, and the last line of its traceback. It is testimony: it is shown, and
    decides nothing. merges: what `gpt2_merges()` gives in it.
    """
    names = {"__name__": "__main__", "gpt2_merges": lambda: merges}
    printed, raised = io.StringIO(), ""
    with redirect_stdout(printed):
        try:
            code = compile(text, "<counterexample>", "exec", dont_inherit=True)
            exec(code, names)
        except BaseException as error:  # a submission may raise SystemExit, too
            words = str(error) if isinstance(error, Exception) else ""
            raised = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return printed.getvalue()[:_MOST], raised[:_MOST]
