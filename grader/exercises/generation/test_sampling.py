"""Requirements of `generate` where tokens are drawn: which of them, and how often."""

from __future__ import annotations

from typing import Any

import numpy as np

from grader.chance import LIMIT, chi_square, deviation, fits
from grader.check import Failure, check
from grader.exercises.generation.common import Call, constant_call, random_call
from grader.exercises.generation.draws import (
    DRAWN,
    LOGITS,
    ROWS,
    TEMPERATURE,
    TOP_K,
    TOP_P,
    Setting,
    about,
    check_settings,
    counts_of,
    expect_ends,
    shares,
)
from grader.exercises.generation.oracle import Floats, Tokens, distribution
from grader.gpt2.evidence import Evidence
from grader.sandbox.client.function import Generator

PART = "Sampling"
_ROWS_TOGETHER, _STEPS = 80, 40  # where it is seen whether they depend on one another
_MANY_TOKENS, _FEW_TOKENS = 600, 10  # of a vocabulary: larger than others, and small
_DRAWS = 1000


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
    check_settings(evidence, settings, (*DRAWN, *TEMPERATURE))


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
    check_settings(evidence, settings, (*TOP_K, *DRAWN))


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
    counts = counts_of(evidence, setting, made)
    kept = np.flatnonzero(counts)
    if not (counts[4] == 0 and counts[0] and len(kept) >= 3):
        raise Failure(
            f"with logits {list(setting.logits)} and top_k=3, token 0 and two or three of 1, 2 "
            f"and 3 can come; found {kept.tolist()}",
            made.counterexample(
                evidence,
                "True",
                "False",
                "kept = set(out[:, 1].tolist())  # 0, and two or three of 1, 2 and 3",
                "print(0 in kept and 4 not in kept and len(kept) >= 3)",
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
    check_settings(evidence, settings, (*TOP_P, *DRAWN))


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
        evidence.subject.start_clock()
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
        _expect_chance(evidence, made, across, what)
    pairs = np.outer(distribution(logits), distribution(logits)).ravel()
    for distance in range(1, _STEPS // 2):
        steps = drawn[:, :-distance] * 3 + drawn[:, distance:]
        rows = drawn[:-distance] * 3 + drawn[distance:]
        for beside, what, one, other in (
            (steps, "steps of one row", f":, :-{distance}", f":, {distance}:"),
            (rows, "rows", f":-{distance}", f"{distance}:"),
        ):
            counts = np.bincount(beside.ravel(), minlength=9).astype(np.float64)
            if not fits(counts, pairs):
                shares_ = counts / counts.sum()
                raise Failure(
                    f"{what} that are {distance} apart do not come independently: pairs of tokens "
                    f"have shares {shares_.round(3).tolist()}",
                    made.counterexample(
                        evidence,
                        about(pairs),
                        about(shares_),
                        "new = out[:, 1:]",
                        f"one, other = new[{one}], new[{other}]",
                        *shares("one * 3 + other", 9),
                    ),
                    "draws-depend-on-one-another",
                )


def _expect_eos(evidence: Evidence, cuts: dict[str, Any]) -> None:
    """Fail unless EOS ends rows where tokens are drawn, too."""
    options = {"eos_token_id": 3, **cuts}
    made = random_call(7, 7, 9, (6, 2), 40, options=options, seed=evidence.seed)
    given = ", ".join(f"{name}={value}" for name, value in cuts.items() if name != "generator")
    expect_ends(evidence, made, made.run(evidence).output, given or "temperature=1.0")


def _expect_chance(evidence: Evidence, made: Call, drawn: Tokens, what: str) -> None:
    """Fail if the shares in columns are all in all nearer to, or farther from, what is right than
    chance leaves them.
    """
    right = distribution(made.script.bias)
    columns = [np.bincount(column, minlength=len(right)).astype(np.float64) for column in drawn.T]
    measures = [chi_square(counts, right) for counts in columns]
    spread = deviation(sum(m for m, _ in measures), sum(n for _, n in measures))
    if abs(spread) <= LIMIT:
        return
    exactly = "more exactly" if spread < 0 else "less nearly"
    across_rows = "rows" in what
    axis, count = (0, len(made.idx)) if across_rows else (1, made.max_new_tokens)
    p = float(right[0])
    raise Failure(
        f"{what} are not drawn independently: tokens come as often as their probabilities say "
        f"{exactly} than independent draws do, by {abs(spread):.0f} standard deviations",
        made.counterexample(
            evidence,
            "True",
            "False",
            f"counts = (out[:, 1:] == 0).sum({axis})  # of token 0, of {count} each",
            f"variance = {count} * {p:.6f} * (1 - {p:.6f})  # of independent draws",
            f"ratio = float(((counts - {count} * {p:.6f}) ** 2).mean()) / variance",
            f"print(abs(ratio - 1) < {LIMIT} * (2 / len(counts)) ** 0.5)",
        ),
        "draws-depend-on-one-another",
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
    for half in (False, True):
        large, tenths = _tenths(evidence, _MANY_TOKENS, half)
        if tenths is None:
            continue
        setting = large.right().reshape(10, -1).sum(1)
        made = large.call(evidence.seed, _DRAWS, _DRAWS)
        # Small ones may fail alike: then it is not the size of the vocabulary.
        small_is_right = _tenths(evidence, _FEW_TOKENS, half)[1] is None and _draws_few(evidence)
        raise Failure(
            f"of {_MANY_TOKENS} tokens with top_k={large.top_k}, tenths have to come with "
            f"probabilities {setting.round(3).tolist()}, found {tenths.round(3).tolist()}",
            made.counterexample(
                evidence,
                about(setting),
                about(tenths),
                *shares(f"out[:, 1:] // {_MANY_TOKENS // 10}", 10),
            ),
            "vocabulary-hard-coded" if small_is_right else "",
        )


def _draws_few(evidence: Evidence) -> bool:
    """Whether a few tokens that are not alike are drawn as they have to be."""
    setting = Setting(LOGITS[0])
    evidence.subject.start_clock()
    made = setting.call(evidence.seed, _DRAWS, _DRAWS)
    return fits(counts_of(evidence, setting, made), setting.right())


def _tenths(evidence: Evidence, tokens: int, half: bool) -> tuple[Setting, Floats | None]:
    """How tokens of a vocabulary are drawn that are nearly alike; and in which shares tenths of
    it come, if these are wrong.
    """
    logits = np.linspace(0.0, 0.5, tokens)
    setting = Setting(logits.tolist(), 1.0, tokens // 2 if half else None)
    evidence.subject.start_clock()
    counts = counts_of(evidence, setting, setting.call(evidence.seed, _DRAWS, _DRAWS))
    # In groups of tokens, so that each is drawn often.
    found, right = (values.reshape(10, -1).sum(1) for values in (counts, setting.right()))
    wrong = not fits(found, right) or counts[setting.right() == 0].any()
    return setting, found / found.sum() if wrong else None
