"""How often tokens are drawn, against what their logits and the options say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from grader.checks.api import Failure
from grader.checks.chance import fits
from grader.checks.evidence import Evidence
from grader.checks.generation.common import Call, constant_call
from grader.oracle.generation import Floats, Tokens, distribution
from grader.oracle.generation_forms import SAMPLED, Sampled
from grader.remote.function import Generator

ROWS = 4000  # draws for each question
_FEW = 20  # rows, where they come in many steps instead
LOGITS = ([1.5, 0.2, 0.9, -0.6, 0.5], [0.0, 1.0, 0.4, 1.7])
# Bugs, by the option that they are about.
DRAWN = ("always-greedy", "not-in-proportion")
TEMPERATURE = ("temperature-ignored", "temperature-multiplied", "temperature-on-probabilities")
TOP_K = ("top-k-ignored", "top-k-off-by-one", "top-k-keeps-the-least")
TOP_P = (
    *("top-p-ignored", "top-p-without-the-crossing-token", "top-p-one-token-too-many"),
    *("top-p-keeps-the-least", "top-p-of-each-token"),
)


@dataclass(frozen=True)
class Setting:
    """How tokens are drawn from logits."""

    logits: Sequence[float]
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def call(self, seed: int, rows: int, draws: int = ROWS, **more: Any) -> Call:
        """So many rows, and as many tokens in each as make that many draws. more: options."""
        given: dict[str, Any] = {"temperature": self.temperature, **more}
        given |= {} if self.top_k is None else {"top_k": self.top_k}
        given |= {} if self.top_p is None else {"top_p": self.top_p}
        return constant_call(list(self.logits), rows, draws // rows, options=given, seed=seed)

    def right(self) -> Floats:
        """Probabilities of the tokens."""
        return distribution(np.array(self.logits), self.temperature, self.top_k, self.top_p)

    def wrong(self, bug: Sampled) -> Floats:
        """What they are with a known bug."""
        return bug(np.array(self.logits), self.temperature, self.top_k, self.top_p)

    @property
    def words(self) -> str:
        """Such as "temperature=0.5, top_k=2"."""
        given = (("temperature", self.temperature), ("top_k", self.top_k), ("top_p", self.top_p))
        return ", ".join(f"{name}={value}" for name, value in given if value is not None)


def counts_of(evidence: Evidence, setting: Setting, made: Call) -> Floats:
    """How often each token was drawn. Fails if rows or tokens are others than asked for."""
    output = made.run(evidence).output
    expected = (len(made.idx), 1 + made.max_new_tokens)
    if output.shape != expected:
        raise Failure(
            f"expected {expected[0]} rows of the prompt and {made.max_new_tokens} tokens, found "
            f"shape {output.shape}"
        )
    drawn = output[:, 1:].ravel()
    if not ((drawn >= 0) & (drawn < len(setting.logits))).all():
        raise Failure("drew a token that is not in the vocabulary")
    return np.bincount(drawn, minlength=len(setting.logits)).astype(np.float64)


def check_settings(evidence: Evidence, settings: Iterable[Setting], names: Sequence[str]) -> None:
    """Fail at the first setting whose tokens do not come as often as they have to.

    names: bugs that show here. The one that fits all settings is the cause.
    """
    seen: list[tuple[Setting, Floats]] = []
    failed: tuple[Setting, Call, Floats] | None = None
    for number, (setting, of_its_own) in enumerate(product(settings, (False, True))):
        seed = evidence.seed + number
        chance: dict[str, Any] = {"generator": Generator(seed)} if of_its_own else {}
        made = setting.call(seed, (ROWS, _FEW, _FEW, ROWS)[number % 4], **chance)
        counts = counts_of(evidence, setting, made)
        seen.append((setting, counts))
        if failed is None and not fits(counts, setting.right()):
            failed = setting, made, counts
    if failed is None:
        return
    setting, made, counts = failed
    bugs = ((name, bug) for name in names for bug in SAMPLED[name])
    cause = next((n for n, bug in bugs if all(fits(c, s.wrong(bug)) for s, c in seen)), "")
    expected, found = setting.right(), counts / ROWS
    never = [t for t in range(len(counts)) if expected[t] == 0 and counts[t]]
    surplus = f"; it draws {never}, which {setting.words} leaves out" if never else ""
    raise Failure(
        f"with logits {list(setting.logits)} and {setting.words}, tokens have to come with "
        f"probabilities {expected.round(3).tolist()}, found shares {found.round(3).tolist()} of "
        f"{ROWS}{surplus}",
        made.counterexample(
            evidence,
            expected,
            found,
            f"print(torch.bincount(out[:, 1], minlength={len(counts)}) / {ROWS})",
        ),
        cause,
    )


def expect_ends(drawn: Tokens, eos: int, most: int, given: str) -> None:
    """Fail unless rows go on with EOS once they have it, and all ends where all have it."""
    ended = (drawn == eos).cumsum(1) > 0
    over = ended.all(0)
    right = int(over.argmax()) + 1 if over.any() else most
    if drawn.shape[1] != right or (drawn[ended] != eos).any():
        raise Failure(
            f"with eos_token_id={eos} and {given}, a row that has produced it does not go on with "
            "it, or the end is not where every row has",
            cause="eos-not-in-draws",
        )
