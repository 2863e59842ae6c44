"""Wrong schedules: the learning rates that come of each named bug."""

from __future__ import annotations

import math
from collections.abc import Callable

from grader.exercises.training.oracle import Schedule

# Warm-up and decay: slug -> the learning rate of a step instead.
Rate = Callable[[int, Schedule], float]
_WARM_UP: dict[str, tuple[Rate, ...]] = {
    "warmup-from-zero": (
        lambda step, s: s.top * step / s.warmup,
        lambda step, s: s.top * step / max(1, s.warmup - 1),
    ),
    "warmup-too-slow": (lambda step, s: s.top * (step + 1) / (s.warmup + 1),),
    "warmup-missing": (lambda step, s: s.top, lambda step, s: _cosine(s, step / s.total)),
    "warmup-from-floor": (
        lambda step, s: s.floor + (s.top - s.floor) * (step + 1) / s.warmup,
        lambda step, s: s.floor + (s.top - s.floor) * step / s.warmup,
        lambda step, s: max(s.floor, s.top * (step + 1) / s.warmup),
    ),
}


def _cosine(s: Schedule, progress: float, turn: float = math.pi) -> float:
    return s.floor + (s.top - s.floor) * (1 + math.cos(turn * progress)) / 2


def _progress(step: int, s: Schedule) -> float:
    return (step - s.warmup) / (s.total - s.warmup) if s.total > s.warmup else 1.0


def _until(rate: Rate) -> Rate:
    return lambda step, s: s.floor if step >= s.total else rate(step, s)


def _short(step: int, s: Schedule) -> float:
    return min(1.0, (step - s.warmup) / max(1, s.total - s.warmup - 1))


_COSINE: dict[str, tuple[Rate, ...]] = {
    "decay-linear": (
        _until(lambda step, s: s.top + (s.floor - s.top) * _progress(step, s)),
        _until(lambda step, s: s.top * (1 - _progress(step, s))),
    ),
    "floor-ignored": (
        lambda step, s: (
            s.top * (1 + math.cos(math.pi * min(1.0, _progress(step, s)))) / 2
            if step < s.total
            else 0.0
        ),
        _until(lambda step, s: s.top * (1 + math.cos(math.pi * _progress(step, s))) / 2),
    ),
    "floor-misplaced": (
        lambda step, s: (
            s.floor + s.top * (1 + math.cos(math.pi * min(1.0, _progress(step, s)))) / 2
        ),
        _until(lambda step, s: s.floor + s.top * (1 + math.cos(math.pi * _progress(step, s))) / 2),
        lambda step, s: max(
            s.floor,
            s.top * (1 + math.cos(math.pi * min(1.0, _progress(step, s)))) / 2,
        ),
    ),
    "cosine-starts-at-zero": (_until(lambda step, s: _cosine(s, step / s.total)),),
    "cosine-without-its-end": (
        lambda step, s: _cosine(s, min(1.0, (step - s.warmup) / s.total)),
        _until(lambda step, s: _cosine(s, (step - s.warmup) / s.total)),
        lambda step, s: _cosine(s, (step - s.warmup) / s.total),
    ),
    "cosine-off-by-one": (
        _until(lambda step, s: _cosine(s, min(1.0, _short(step, s)))),
        lambda step, s: _cosine(s, min(1.0, _short(step, s))),
        _until(lambda step, s: _cosine(s, (step - s.warmup + 1) / max(1, s.total - s.warmup))),
        _until(lambda step, s: _cosine(s, (step - s.warmup + 1) / (s.total - s.warmup + 1))),
        _until(lambda step, s: _cosine(s, (step - s.warmup) / (s.total - s.warmup + 1))),
    ),
    "cosine-rises-again": (lambda step, s: _cosine(s, _progress(step, s)),),
    "cosine-too-far": (
        _until(lambda step, s: _cosine(s, _progress(step, s), math.pi / 2)),
        _until(lambda step, s: _cosine(s, _progress(step, s), 2 * math.pi)),
        _until(
            lambda step, s: s.floor + (s.top - s.floor) * math.cos(math.pi / 2 * _progress(step, s))
        ),
    ),
    "decay-missing": (lambda step, s: s.top, _until(lambda step, s: s.top)),
    "zero-after-the-end": (
        lambda step, s: 0.0 if step >= s.total else s.at(step),
        lambda step, s: 0.0 if step > s.total else s.at(step),
    ),
}
# Which steps they are about.
RATES: dict[bool, dict[str, tuple[Rate, ...]]] = {True: _WARM_UP, False: _COSINE}
