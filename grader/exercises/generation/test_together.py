"""Requirements of `generate` where several options are given at once."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from grader.chance import fits
from grader.check import Failure, check
from grader.exercises.generation.common import Call, most_probable, random_call
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
    expect_ends,
    shares,
)
from grader.exercises.generation.oracle import Floats, distribution
from grader.exercises.generation.test_greedy import Case
from grader.exercises.generation.test_sampling import PART
from grader.gpt2.evidence import Evidence
from grader.sandbox.client.function import Generator

_PROMPTS = 4  # different ones in one batch
_TIMES = 400  # each of them
_STEPS_TO_EOS = 3
_COLD = 1e-5  # a temperature


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
    names = ("top-p-before-temperature", "top-p-before-top-k", *TOP_K, *TOP_P, *TEMPERATURE, *DRAWN)
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
            plain = replace(made, options={"temperature": temperature})
            others = bool(more) and _is_right(evidence, plain)
            given = ", ".join(f"{k}={v}" for k, v in made.options.items() if k != "generator")
            raise Failure(
                f"with {given}, block_size=4{' and a generator' if 'generator' in more else ''} "
                f"only the most probable token can come: expected {expected.tolist()}, found "
                f"{found.tolist()}",
                made.counterexample(evidence, expected, found),
                "drawn-from-other-logits" if others else "",
            )


def _is_right(evidence: Evidence, made: Call) -> bool:
    """Whether a call gives the most probable tokens."""
    return np.array_equal(most_probable(made), made.run(evidence).output)


def _expect_eos_among(evidence: Evidence, setting: Setting, chance: dict[str, Any]) -> None:
    """Fail unless rows that go on draw as they have to, EOS among what is drawn."""
    eos = 2  # which all settings leave in
    made = setting.call(evidence.seed, ROWS // _STEPS_TO_EOS, eos_token_id=eos, **chance)
    output = made.run(evidence).output
    expect_ends(evidence, made, output, setting.words)
    output = output[:, 1:]
    before = (output == eos).cumsum(1) - (output == eos)
    counts = np.bincount(output[before == 0], minlength=len(setting.logits)).astype(np.float64)
    if not fits(counts, setting.right()):
        raise Failure(
            f"with logits {list(setting.logits)}, {setting.words} and eos_token_id={eos}, rows "
            f"that go on have to draw with probabilities {setting.right().round(3).tolist()}, "
            f"found shares {(counts / counts.sum()).round(3).tolist()}",
            made.counterexample(
                evidence,
                about(setting.right()),
                about(counts / counts.sum()),
                "new = out[:, 1:]",
                f"over = (new == {eos}).long()",
                "goes_on = over.cumsum(1) - over == 0",
                *shares("new[goes_on]", len(counts)),
            ),
            "other-draws-with-eos" if fits(_without_eos(evidence, made), setting.right()) else "",
        )


def _without_eos(evidence: Evidence, made: Call) -> Floats:
    """How often tokens come in the same call without EOS."""
    options = {name: value for name, value in made.options.items() if name != "eos_token_id"}
    output = replace(made, options=options).run(evidence).output[:, 1:]
    return np.bincount(output.ravel(), minlength=made.script.bias.size).astype(np.float64)


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
    evidence.subject.start_clock()
    made = replace(made, idx=np.tile(made.idx, (_TIMES, 1)), seed=evidence.seed)
    idx, output = made.idx, made.run(evidence).output
    if output.shape != (len(idx), 7) or not ((output >= 0) & (output < 7)).all():
        raise Failure(f"expected one token for each row, found shape {output.shape}")
    for row, right in enumerate(each):
        counts = np.bincount(output[row::_PROMPTS, -1], minlength=7).astype(np.float64)
        if not fits(counts, right):
            found = counts / counts.sum()
            raise Failure(
                f"in a batch of different prompts, after {made.idx[row].tolist()} with "
                f"block_size=4 and {setting.words}, tokens have to come with probabilities "
                f"{right.round(3).tolist()}, found shares {found.round(3).tolist()}",
                made.counterexample(
                    evidence, about(right), about(found), *shares(f"out[{row}::{_PROMPTS}, -1]", 7)
                ),
                "drawn-from-other-logits",
            )
