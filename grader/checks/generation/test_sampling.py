"""Requirements of `generate` where tokens are drawn: which of them, and how often."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from grader.checks.api import Failure, check
from grader.checks.chance import LIMIT, chi_square, deviation, fits
from grader.checks.evidence import Evidence
from grader.checks.generation.common import Call, constant_call, random_call
from grader.checks.generation.test_greedy import Case, most_probable
from grader.oracle.generation import Floats, Tokens, distribution
from grader.oracle.generation_forms import SAMPLED, Sampled
from grader.remote.function import Generator

PART = "Sampling"
_ROWS_TOGETHER, _STEPS = 120, 60  # where it is seen whether they depend on one another
_MANY_TOKENS, _DRAWS = 600, 1500  # for a vocabulary that is larger than those of other checks
ROWS = 4000  # draws for each question
_PROMPTS = 4  # different ones in one batch
_STEPS_TO_EOS = 3
_COLD = 1e-5  # a temperature
_FEW = 20  # rows, where they come in many steps instead
LOGITS = ([1.5, 0.2, 0.9, -0.6, 0.5], [0.0, 1.0, 0.4, 1.7])


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


def _counts(evidence: Evidence, setting: Setting, made: Call) -> Floats:
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
        counts = _counts(evidence, setting, made)
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


_DRAWN = ("always-greedy", "not-in-proportion")
_TEMPERATURE = ("temperature-ignored", "temperature-multiplied", "temperature-on-probabilities")
_K = ("top-k-ignored", "top-k-off-by-one", "top-k-keeps-the-least")
_P = (
    *("top-p-ignored", "top-p-without-the-crossing-token", "top-p-one-token-too-many"),
    *("top-p-keeps-the-least", "top-p-of-each-token"),
)


@check(
    "generation.temperature",
    PART,
    10,
    hints=(
        "What does a high temperature do to the differences between logits?",
        "Print the probabilities of one step for temperatures 0.5, 1 and 2.",
        "softmax(logits / temperature), then one draw from it for each row.",
    ),
)
def test_temperature(evidence: Evidence) -> None:
    """Tokens are drawn in proportion to the softmax of logits / temperature."""
    settings = [Setting(logits, t) for logits in LOGITS for t in (1.0, 0.5, 2.0)]
    settings += [Setting([t * logit for logit in LOGITS[0]], t) for t in (0.2, 0.02, 9.0)]
    check_settings(evidence, settings, (*_DRAWN, *_TEMPERATURE))


@check(
    "generation.top_k",
    PART,
    10,
    hints=(
        "Which tokens may still be drawn, and how many are they?",
        "Print how many probabilities are above zero for top_k = 1, 3 and 100.",
        "Set the logits below the k-th largest to minus infinity before the softmax, with "
        "k = min(top_k, vocabulary).",
    ),
)
def test_top_k(evidence: Evidence) -> None:
    """Only the top_k most probable tokens are drawn; more than there are means all."""
    settings = (Setting(logits, 1.0, k) for logits in LOGITS for k in (2, 3, 1, len(logits), 50))
    check_settings(evidence, settings, (*_K, *_DRAWN))


@check(
    "generation.top_k_ties",
    PART,
    3,
    hints=(
        "What if several tokens share the k-th place?",
        "Try logits [1, 1, 1, 0] with top_k=2: which tokens come?",
        "Any two of the tied ones or all of them are right; a token below them is not.",
    ),
)
def test_top_k_ties(evidence: Evidence) -> None:
    """Of tokens that tie for the last place any may stay, and none below them."""
    setting = Setting([2.0, 1.0, 1.0, 1.0, 0.0], 1.0, 3)
    made = setting.call(evidence.seed, ROWS)
    counts = _counts(evidence, setting, made)
    kept = np.flatnonzero(counts)
    if not (counts[4] == 0 and counts[0] and len(kept) >= 3):
        raise Failure(
            f"with logits {list(setting.logits)} and top_k=3, token 0 and two or three of 1, 2 "
            f"and 3 can come; found {kept.tolist()}",
            made.counterexample(
                evidence, "0 and two of 1, 2, 3", kept, "print(out[:, 1].unique())"
            ),
        )


@check(
    "generation.top_p",
    PART,
    10,
    hints=(
        "Sort the probabilities: how many does it take to reach top_p?",
        "Print the sorted probabilities, their cumulative sum, and which ones you keep.",
        "Keep a token while the sum of those before it is below top_p: the one that crosses the "
        "line stays in, and so does the first.",
    ),
)
def test_top_p(evidence: Evidence) -> None:
    """Only as few of the most probable tokens are drawn as it takes to reach top_p."""
    settings = (Setting(logits, 1.0, None, p) for logits in LOGITS for p in (0.6, 0.9, 0.05, 1.0))
    check_settings(evidence, settings, (*_P, *_DRAWN))


@check(
    "generation.together",
    PART,
    4,
    hints=(
        "In which order do temperature, top_k and top_p act?",
        "Print what is left after each of them, for temperature 2, top_k 3 and top_p 0.7.",
        "Divide by the temperature, cut to top_k, take the softmax, and cut that to top_p.",
    ),
)
def test_together(evidence: Evidence) -> None:
    """Temperature acts first, then top_k, then top_p on the probabilities that are left."""
    settings = [
        Setting(LOGITS[0], 2.0, 3, 0.7),
        Setting(LOGITS[0], 2.0, None, 0.6),
        Setting(LOGITS[1], 0.5, 3, 0.95),
        Setting(LOGITS[0], 1.0, 3, 0.82),
    ]
    names = ("top-p-before-temperature", "top-p-before-top-k", *_K, *_P, *_TEMPERATURE, *_DRAWN)
    check_settings(evidence, settings, names)
    for setting in (Setting([], 0.8, 4, 0.8), Setting([], 1.0, 2)):
        _expect_rows_apart(evidence, setting)
    _expect_cold(evidence)
    chances: tuple[dict[str, Any], ...] = ({}, {"generator": Generator(evidence.seed)})
    for chance in chances:
        for cuts in ((1.7, None, None), (1.0, 3, None), (1.0, None, 0.7), (0.6, 4, 0.9)):
            _expect_eos_among(evidence, Setting(LOGITS[0], *cuts), chance)


def _expect_cold(evidence: Evidence) -> None:
    """Fail unless cuts and a generator leave the most probable tokens, where only they can come."""
    beside: tuple[dict[str, Any], ...] = (
        {},
        {"generator": Generator(7)},
        {"top_k": 3},
        {"top_p": 0.5},
        {"top_k": 4, "top_p": 0.9, "generator": Generator(8)},
    )
    for number, (temperature, more) in enumerate(product((0, _COLD), beside)):
        case = Case(3, 1 + number % 6, 6, 4, 10 * evidence.seed % 9999 + number)
        made = case.call(**{"temperature": temperature, **more})
        expected, found = most_probable(made), made.run(evidence).output
        if not np.array_equal(expected, found):
            given = ", ".join(f"{k}={v}" for k, v in made.options.items() if k != "generator")
            raise Failure(
                f"with {given}, block_size=4{' and a generator' if 'generator' in more else ''} "
                f"only the most probable token can come: expected {expected.tolist()}, found "
                f"{found.tolist()}",
                made.counterexample(evidence, expected, found),
                "drawn-from-other-logits" if temperature else "",
            )


def _expect_eos_among(evidence: Evidence, setting: Setting, chance: dict[str, Any]) -> None:
    """Fail unless rows that go on draw as they have to, EOS among what is drawn."""
    eos = 2  # which all settings leave in
    made = setting.call(evidence.seed, ROWS // _STEPS_TO_EOS, eos_token_id=eos, **chance)
    output = made.run(evidence).output[:, 1:]
    expect_ends(output, eos, made.max_new_tokens, f"{setting.words}")
    before = (output == eos).cumsum(1) - (output == eos)
    counts = np.bincount(output[before == 0], minlength=len(setting.logits)).astype(np.float64)
    if not fits(counts, setting.right()):
        raise Failure(
            f"with logits {list(setting.logits)}, {setting.words} and eos_token_id={eos}, rows "
            f"that go on have to draw with probabilities {setting.right().round(3).tolist()}, "
            f"found shares {(counts / counts.sum()).round(3).tolist()}",
            made.counterexample(evidence, setting.right(), counts / counts.sum()),
            "other-draws-with-eos",
        )


def _expect_rows_apart(evidence: Evidence, setting: Setting) -> None:
    """Fail unless each row is drawn from what its own last block_size tokens say."""
    options = {"temperature": setting.temperature, "top_k": setting.top_k, "top_p": setting.top_p}
    for attempt in range(10 * evidence.seed, 10 * evidence.seed + 10_000):
        made = random_call(attempt, 7, 4, (_PROMPTS, 6), 1, options=options)
        logits = made.script.logits(made.idx[:, -4:])[:, -1]
        each = [distribution(v, setting.temperature, setting.top_k, setting.top_p) for v in logits]
        sizes = {int((p > 0).sum()) for p in each}
        if (setting.top_p is None or len(sizes) > 1) and len({int(p.argmax()) for p in each}) > 1:
            break
    idx = np.tile(made.idx, (ROWS // _PROMPTS, 1))
    output = replace(made, idx=idx, seed=evidence.seed).run(evidence).output
    if output.shape != (len(idx), 7) or not ((output >= 0) & (output < 7)).all():
        raise Failure(f"expected one token for each row, found shape {output.shape}")
    for row, right in enumerate(each):
        counts = np.bincount(output[row::_PROMPTS, -1], minlength=7).astype(np.float64)
        if not fits(counts, right):
            shares = (counts / counts.sum()).round(3).tolist()
            raise Failure(
                f"in a batch of different prompts, after {made.idx[row].tolist()} with "
                f"block_size=4 and {setting.words}, tokens have to come with probabilities "
                f"{right.round(3).tolist()}, found shares {shares}",
                cause="drawn-from-other-logits",
            )


@check(
    "generation.independent",
    PART,
    3,
    hints=(
        "Is every token drawn by itself?",
        "Generate two tokens for many equal rows: how often do they agree?",
        "Draw for every row and at every step anew: one call of multinomial on (B, V).",
    ),
)
def test_independent(evidence: Evidence) -> None:
    """Every row and every step is drawn anew."""
    for chance in ({}, {"generator": Generator(evidence.seed)}):
        _expect_independent(evidence, chance)
    for cuts in ({}, {"top_k": 4}, {"top_p": 0.9}, {"temperature": 0.8}):
        _expect_eos(evidence, cuts)
        _expect_eos(evidence, {**cuts, "generator": Generator(evidence.seed)})


def _expect_independent(evidence: Evidence, options: dict[str, Any]) -> None:
    """Fail unless neither rows nor steps depend on one another."""
    logits = np.array([0.3, 0.0, -0.2])
    made = constant_call(
        logits.tolist(), _ROWS_TOGETHER, _STEPS, seed=evidence.seed, options=options
    )
    output: Tokens = made.run(evidence).output
    if output.shape != (_ROWS_TOGETHER, 1 + _STEPS) or not ((output >= 0) & (output < 3)).all():
        raise Failure(f"expected {_STEPS} tokens for each row, found shape {output.shape}")
    drawn = output[:, 1:]
    for across, what in ((drawn, "rows of one step"), (drawn.T, "steps of one row")):
        _expect_chance(across, distribution(logits), what)
    pairs = np.outer(distribution(logits), distribution(logits)).ravel()
    for distance in range(1, _STEPS // 2):
        steps = drawn[:, :-distance] * 3 + drawn[:, distance:]
        rows = drawn[:-distance] * 3 + drawn[distance:]
        for beside, what in ((steps, "steps of one row"), (rows, "rows")):
            counts = np.bincount(beside.ravel(), minlength=9).astype(np.float64)
            if not fits(counts, pairs):
                shares = counts / counts.sum()
                raise Failure(
                    f"{what} that are {distance} apart do not come independently: pairs of tokens "
                    f"have shares {shares.round(3).tolist()}",
                    made.counterexample(evidence, pairs, shares),
                    "draws-depend-on-one-another",
                )


def _expect_eos(evidence: Evidence, cuts: dict[str, Any]) -> None:
    """Fail unless EOS ends rows where tokens are drawn, too."""
    options = {"eos_token_id": 3, **cuts}
    made = random_call(7, 7, 9, (6, 2), 40, options=options, seed=evidence.seed)
    given = ", ".join(f"{name}={value}" for name, value in cuts.items() if name != "generator")
    expect_ends(made.run(evidence).output[:, 2:], 3, 40, given or "temperature=1.0")


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


def _expect_chance(drawn: Tokens, right: Floats, what: str) -> None:
    """Fail if the shares in columns are all in all nearer to, or farther from, what is right than
    chance leaves them.
    """
    columns = [np.bincount(column, minlength=len(right)).astype(np.float64) for column in drawn.T]
    measures = [chi_square(counts, right) for counts in columns]
    spread = deviation(sum(m for m, _ in measures), sum(n for _, n in measures))
    if abs(spread) > LIMIT:
        exactly = "more exactly" if spread < 0 else "less nearly"
        raise Failure(
            f"{what} are not drawn independently: tokens come as often as their probabilities say "
            f"{exactly} than independent draws do, by {abs(spread):.0f} standard deviations",
            cause="draws-depend-on-one-another",
        )


@check(
    "generation.vocabulary",
    PART,
    2,
    hints=(
        "Does the size of the vocabulary matter to your code?",
        "Draw from a thousand tokens that are nearly alike: how many different ones come?",
        "No size of the vocabulary is a constant in the code; take it from logits.shape[-1].",
    ),
)
def test_vocabulary(evidence: Evidence) -> None:
    """The vocabulary may be of any size."""
    logits = np.linspace(0.0, 0.5, _MANY_TOKENS)
    for top_k in (None, _MANY_TOKENS // 2):
        setting = Setting(logits.tolist(), 1.0, top_k)
        counts = _counts(evidence, setting, setting.call(evidence.seed, _DRAWS, _DRAWS))
        # In groups of tokens, so that each is drawn often.
        found, right = (values.reshape(10, -1).sum(1) for values in (counts, setting.right()))
        if not fits(found, right) or counts[setting.right() == 0].any():
            shares = (found / _DRAWS).round(3).tolist()
            raise Failure(
                f"of {_MANY_TOKENS} tokens with top_k={top_k}, tenths have to come with "
                f"probabilities {right.round(3).tolist()}, found {shares}",
                cause="vocabulary-hard-coded",
            )
