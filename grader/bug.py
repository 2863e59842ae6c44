"""What the catalogue says of one bug."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """A named bug.

    names: one sentence that says what the submission is instead of GPT-2; asks: one sentence, what
    the brief asks instead; look: one sentence, where in a submission to look; code: a pattern of
    the lines meant there; hints: a nudge, a pointer, a near-solution in words; checks: ids of the
    checks whose requirement it breaks first, the most telling first. An id that begins with a dot
    is that of any class: ".shape" is attention.shape, mlp.shape, block.shape and gpt2.shape.
    """

    slug: str
    names: str
    asks: str
    look: str
    code: str
    hints: tuple[str, str, str]
    checks: tuple[str, ...]

    @property
    def explanation(self) -> str:
        """What it is, what is asked instead and where to look, as one text."""
        return f"{self.names} {self.asks} {self.look}"


@dataclass(frozen=True, kw_only=True)
class Raised(Bug):
    """An exception in plain words: names says what happened, asks why, look the usual fix.

    raised: a pattern of "Type: message"; line: one of the submission's line that raised it.
    """

    raised: str
    line: str = ""
