"""Runs the code of a counterexample, as somebody would who pastes it beside the submission."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from grader.sandbox import wire
from grader.sandbox.worker import exchange

_MOST = 4000  # characters of what is printed


class Replay:
    """Answers what a counterexample prints. It is testimony: it is shown, and decides nothing."""

    def __init__(self) -> None:
        self.questions: dict[str, Callable[..., wire.Message]] = {"replay": self.replay}

    def replay(self, arrays: tuple[wire.Array, ...], merges: dict[str, Any]) -> wire.Message:
        """What the code in the last array prints, and the last line of its traceback.

        merges: what `gpt2_merges()` gives in it, as of `exchange.made`.
        """
        given = exchange.made(merges, arrays, {})
        names = {"__name__": "__main__", "gpt2_merges": lambda: given}
        printed, raised = io.StringIO(), ""
        text = arrays[-1].data.decode("utf-8", "surrogatepass")
        with redirect_stdout(printed):
            try:
                code = compile(text, "<counterexample>", "exec", dont_inherit=True)
                exec(code, names)
            except BaseException as error:  # a submission may raise SystemExit, too
                words = str(error) if isinstance(error, Exception) else ""
                raised = f"{type(error).__name__}: {words}" if words else type(error).__name__
        return wire.Message({"printed": printed.getvalue()[:_MOST], "raised": raised[:_MOST]})
