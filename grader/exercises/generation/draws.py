"""How often tokens are drawn, against what their logits and the options say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from grader.chance import LIMIT, chi_square, deviation, fits
from grader.check import Failure
from grader.exercises.generation.common import Call, constant_call, most_probable
from grader.exercises.generation.forms import SAMPLED, Flags, Sampled
from grader.exercises.generation.oracle import Floats, Tokens, distribution
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import show
from grader.sandbox.client.function import Generator

# Draws for each question. Not more: a right answer that handles every row by itself, in Python,
# takes a millisecond for each. What several settings have in common shows in all of them together.
ROWS = 800
_SHOWN = 4000  # draws of a counterexample
_FEW = 20  # rows, where they come in many steps instead
LOGITS = ([1.5, 0.2, 0.9, -0.6, 0.5], [0.0, 1.0, 0.4, 1.7])
# Bugs, by the option that they are about.
DRAWN = ("always-greedy", "not-in-proportion")
TEMPERATURE = ("temperature-ignored", "temperature-multiplied", "temperature-on-probabilities")
TOP_K = ("top-k-ignored", "top-k-off-by-one", "top-k-keeps-the-least")
TOP_P = (
    *("top-p-ignored", "top-p-without-the-crossing-token", "top-p-one-token-too-many"),
    *("top-p-keeps-the-least", "top-p-of-each-token", "top-p-not-sorted"),
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
    """Fail at the first setting whose tokens do not come as often as they have to, or if all
    settings together are farther from that than chance leaves them.

    names: bugs that show here. The one that fits all settings is the cause.
    """
    seen: list[tuple[Setting, Call, Floats]] = []
    for number, (setting, of_its_own) in enumerate(product(settings, (False, True))):
        seed = evidence.seed + number
        chance: dict[str, Any] = {"generator": Generator(seed)} if of_its_own else {}
        made = setting.call(seed, (ROWS, _FEW, _FEW, ROWS)[number % 4], **chance)
        if number % 4 == 1:
            made = replace(made, dtype="float32")  # as models are
        # How many settings there are is not the submission's fault.
        evidence.subject.start_clock()
        seen.append((setting, made, counts_of(evidence, setting, made)))
    failed = next((case for case in seen if not fits(case[2], case[0].right())), None)
    if failed is None and _fit_together([(counts, s.right()) for s, _, counts in seen]):
        return
    setting, made, counts = failed or max(seen, key=lambda case: _strangeness(*case))
    bugs = ((name, bug) for name in names for bug in SAMPLED[name])
    cause = next((n for n, b in bugs if _explain([(c, s.wrong(b)) for s, _, c in seen])), "")
    expected, found = setting.right(), counts / counts.sum()
    never = [t for t in range(len(counts)) if expected[t] == 0 and counts[t]]
    surplus = f"; it draws {never}, which {setting.words} leaves out" if never else ""
    raise Failure(
        f"with logits {list(setting.logits)} and {setting.words}, tokens have to come with "
        f"probabilities {expected.round(3).tolist()}, found shares {found.round(3).tolist()} of "
        f"{int(counts.sum())}{surplus}",
        _shown(made).counterexample(
            evidence, about(expected), about(found), *shares("out[:, 1:]", len(counts))
        ),
        cause,
    )


def _explain(cases: Sequence[tuple[Floats, Floats]]) -> bool:
    """Whether these probabilities account for all counts, each case for itself and all together."""
    return all(fits(*case) for case in cases) and _fit_together(cases)


def _shown(made: Call) -> Call:
    """The same with more draws, whose shares come near enough to be compared by eye."""
    one = made.max_new_tokens == 1
    return replace(
        made,
        idx=np.zeros((_SHOWN, 1), dtype=np.int64) if one else made.idx,
        max_new_tokens=1 if one else _SHOWN // len(made.idx),
    )


def about(probabilities: Floats) -> str:
    """Probabilities as what shares of many draws come near to."""
    return f"about {show(probabilities)}"


def shares(drawn: str, tokens: int) -> tuple[str, ...]:
    """Code that prints the shares of tokens among what is called `drawn`."""
    return (
        f"drawn = ({drawn}).flatten()",
        f"print(torch.bincount(drawn, minlength={tokens}) / len(drawn))",
    )


def _fit_together(cases: Iterable[tuple[Floats, Floats]]) -> bool:
    """Whether counts in all can come from these probabilities."""
    measures = [chi_square(*case) for case in cases]
    return deviation(sum(m for m, _ in measures), sum(n for _, n in measures)) < LIMIT


def _strangeness(setting: Setting, made: Call, counts: Floats) -> float:
    return deviation(*chi_square(counts, setting.right()))


def expect_ends(evidence: Evidence, made: Call, output: Tokens, given: str) -> None:
    """Fail unless rows go on with EOS once they have it, and all ends where all have it."""
    eos, start = int(made.options["eos_token_id"]), made.idx.shape[1]
    drawn, most = output[:, start:], made.max_new_tokens
    if _ends(drawn, made):
        return
    ended = (drawn == eos).cumsum(1) > 0
    kept, right = bool((drawn[ended] == eos).all()), _columns(ended, made)
    lines = (
        f"new = out[:, {start}:]",
        f"ended = (new == {eos}).cumsum(1) > 0  # whether a row has produced it, step by step",
        f"goes_on_with_it = bool((new[ended] == {eos}).all())",
        "over = ended.all(0).tolist() + [True]",
        f"ends_in_time = new.shape[1] == min(over.index(True) + 1, {most})",
        "print(goes_on_with_it, ends_in_time)",
    )
    found = f"{kept} {drawn.shape[1] == right}"
    raise Failure(
        f"with eos_token_id={eos} and {given}, "
        + ("" if kept else "a row that has produced it does not go on with it; ")
        + f"there are {drawn.shape[1]} new columns, where {right} are right",
        made.counterexample(evidence, "True True", found, *lines),
        _end(evidence, made, kept, drawn.shape[1] > right),
    )


def _end(evidence: Evidence, made: Call, kept: bool, too_long: bool) -> str:
    """The rule by which it ends, as far as what was drawn and calls with fewer options agree."""
    plain = {"eos_token_id": made.options["eos_token_id"]}
    at_zero = replace(made, options={**plain, "temperature": 0})
    ends_right = np.array_equal(at_zero.run(evidence).output, most_probable(at_zero))
    if too_long and not kept and ends_right:
        without = replace(made, options=plain)
        output = without.run(evidence).output[:, made.idx.shape[1] :]
        return "eos-forgotten-with-options" if _ends(output, without) else "eos-not-in-draws"
    # What is wrong at temperature 0 too was told there, if it is known.
    return "" if ends_right else evidence.named.get("generation.eos", "")


def _ends(drawn: Tokens, made: Call) -> bool:
    """Whether rows go on with EOS once they have it, and all ends where all have it."""
    eos = made.options["eos_token_id"]
    ended = (drawn == eos).cumsum(1) > 0
    return bool((drawn[ended] == eos).all()) and drawn.shape[1] == _columns(ended, made)


def _columns(ended: Flags, made: Call) -> int:
    """How many there have to be, if that is where rows have ended."""
    over = ended.all(0)
    return int(over.argmax()) + 1 if over.any() else made.max_new_tokens
