"""Requirements of `learning_rate_at`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grader.check import Counterexample, Failure, check
from grader.exercises.training.client import call_each
from grader.exercises.training.common import imports
from grader.exercises.training.oracle import Schedule
from grader.exercises.training.rates import RATES
from grader.gpt2.evidence import Evidence
from grader.sandbox.client.function import words

PART = "Optimizer and schedule"


@dataclass(frozen=True)
class Rates:
    """The schedule as it is asked for a number of steps."""

    schedule: Schedule

    @property
    def given(self) -> dict[str, float]:
        """The arguments besides the step."""
        s = self.schedule
        return {
            "max_learning_rate": s.top,
            "min_learning_rate": s.floor,
            "warmup_steps": s.warmup,
            "total_steps": s.total,
        }

    def found(self, evidence: Evidence, steps: Sequence[int]) -> list[float]:
        """What the submission gives, checked to be numbers."""
        given = [{"step": step, **self.given} for step in steps]
        values = call_each(evidence.subject, "learning_rate_at", given)
        for value in values:
            if value is None:
                raise Failure("expected a learning rate, found None", cause="not-implemented")
            if type(value) not in (float, int):
                raise Failure(
                    f"expected a Python float, found {words(value)}", cause="rate-not-a-number"
                )
        return [float(value) for value in values]


_SCHEDULES = tuple(
    Rates(Schedule(*numbers))
    for numbers in (
        *((1e-3, 1e-4, 5, 20), (0.5, 0.05, 0, 10), (3.0, 1.0, 6, 6), (0.1, 0.0, 1, 3)),
        *((0.2, 0.02, 100, 1000), (6e-4, 6e-5, 4, 9), (1.0, 0.9, 2, 12)),
    )
)


def _schedules(seed: int) -> list[Rates]:
    """The same, and some that are drawn."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(3):
        top = round(rng.uniform(1e-3, 1.0), 4)
        warmup = int(rng.integers(2, 12))
        floor = round(top * rng.uniform(0.05, 0.5), 5)
        drawn.append(Rates(Schedule(top, floor, warmup, warmup + int(rng.integers(4, 30)))))
    return [*_SCHEDULES, *drawn]


def _check_rates(evidence: Evidence, warm_up: bool) -> None:
    """Fail at the first schedule that is wrong in its warm-up, or else after it."""
    forms = [(name, wrong) for name, group in RATES[warm_up].items() for wrong in group]
    failure: Failure | None = None
    for rates in _schedules(evidence.seed):
        s = rates.schedule
        steps = list(range(s.warmup)) if warm_up else _later_steps(s)
        if not steps:
            continue
        found = rates.found(evidence, steps)
        expected = [s.at(step) for step in steps]
        forms = [
            (name, wrong)
            for name, wrong in forms
            if _near(found, [wrong(step, s) for step in steps], s)
        ]
        if failure is None and not _near(found, expected, s):
            failure = _rate_failure(evidence, rates, steps, expected, found)
    if failure is not None:
        failure.cause = forms[0][0] if forms else ""
        failure.proven = bool(forms)
        raise failure


def _later_steps(s: Schedule) -> list[int]:
    several = range(s.warmup, s.total, max(1, (s.total - s.warmup) // 20))
    ends = [s.warmup, s.total - 1, s.total, s.total + 1, s.total + 7, 3 * s.total]
    return sorted({step for step in (*several, *ends) if step >= s.warmup})


def _near(found: Sequence[float], expected: Sequence[float], s: Schedule) -> bool:
    off = np.abs(np.array(found) - np.array(expected))
    # A cosine in float32 is off by 6e-8; bugs are off by 1e-3 and more.
    return bool(off.max() <= 1e-6 * s.top)


def _rate_failure(
    evidence: Evidence,
    rates: Rates,
    steps: Sequence[int],
    expected: Sequence[float],
    found: Sequence[float],
) -> Failure:
    off = [not _near([f], [e], rates.schedule) for f, e in zip(found, expected, strict=True)]
    first = off.index(True)
    options = ", ".join(f"{name}={value}" for name, value in rates.given.items())
    asked = f"learning_rate_at({steps[first]}, {options})"
    code = [*imports(evidence, "learning_rate_at"), f"print({asked})"]
    return Failure(
        f"{asked}: expected {expected[first]:.6g}, found {found[first]:.6g}",
        Counterexample("\n".join(code), f"{expected[first]:.6g}", f"{found[first]:.6g}"),
    )


@check(
    "training.warmup",
    PART,
    3,
    hints=(
        "What is the learning rate of the very first step, and of the last one of the warm-up?",
        "Print it for steps 0 to 5 with warmup_steps=4.",
        "max_learning_rate * (step + 1) / warmup_steps for step < warmup_steps.",
    ),
)
def test_warmup(evidence: Evidence) -> None:
    """In the warm-up the learning rate is max · (step + 1) / warmup_steps."""
    _check_rates(evidence, True)


@check(
    "training.cosine",
    PART,
    4,
    hints=(
        "Where does the cosine begin, where does it end, and at which height?",
        "Print it for the steps warmup_steps, the one in the middle, total_steps, and later ones.",
        "progress = (step - warmup_steps) / (total_steps - warmup_steps), then min + (max - min) · "
        "(1 + cos(π · progress)) / 2; from total_steps on, min.",
    ),
)
def test_cosine(evidence: Evidence) -> None:
    """After the warm-up half a cosine leads from max to min at total_steps, where it stays."""
    _check_rates(evidence, False)
