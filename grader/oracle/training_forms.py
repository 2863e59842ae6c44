"""Wrong ways to train: what each named bug gives, so that it is known by equality."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from grader.oracle.training import (
    Floats,
    Schedule,
    Share,
    Tokens,
    losses,
    mean_gradient,
    mean_loss,
)

# Loss: slug -> what comes out instead, given (logits, targets, ignore_index).
Loss = Callable[[Floats, Tokens, int], float]


def _summed(logits: Floats, targets: Tokens, ignored: int) -> float:
    each, counted = losses(logits, targets, ignored)
    return float(each[counted].sum())


def _over_all(logits: Floats, targets: Tokens, ignored: int) -> float:
    return _summed(logits, targets, ignored) / targets.size


def _ignored_as(logits: Floats, targets: Tokens, value: int) -> float:
    return mean_loss(logits, np.where(targets < 0, value, targets), -(10**6))


def _twice(logits: Floats, targets: Tokens, ignored: int) -> float:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return mean_loss(powers / powers.sum(-1, keepdims=True), targets, ignored)


def _over_time(logits: Floats, targets: Tokens, ignored: int) -> float:
    each, counted = losses(logits, targets, ignored)
    return float((each * counted).sum(1).mean())


def _of_rows(logits: Floats, targets: Tokens, ignored: int) -> float:
    each, counted = losses(logits, targets, ignored)
    if not counted.any(1).all():
        return math.nan
    return float(((each * counted).sum(1) / counted.sum(1)).mean())


def _smoothed(logits: Floats, targets: Tokens, ignored: int) -> float:
    _, counted = losses(logits, targets, ignored)
    everywhere = [losses(logits, np.full_like(targets, v), ignored)[0] for v in _classes(logits)]
    uniform = float(np.mean(everywhere, 0)[counted].mean())
    return 0.9 * mean_loss(logits, targets, ignored) + 0.1 * uniform


def _classes(logits: Floats) -> range:
    return range(logits.shape[-1])


def _axes(logits: Floats, targets: Tokens, ignored: int) -> float:
    turned = logits.swapaxes(1, 2).reshape(logits.shape)
    return mean_loss(turned, targets, ignored)


def _targets_turned(logits: Floats, targets: Tokens, ignored: int) -> float:
    return mean_loss(logits, targets.T.reshape(targets.shape), ignored)


def _reshaped(logits: Floats, targets: Tokens, ignored: int) -> float:
    rows, time, size = logits.shape
    return mean_loss(logits.reshape(rows, size, time).swapaxes(1, 2), targets, ignored)


def _batch_turned(logits: Floats, targets: Tokens, ignored: int) -> float:
    return mean_loss(logits.swapaxes(0, 1).reshape(logits.shape), targets, ignored)


def _part(which: slice, of_targets: slice) -> Loss:
    def loss(logits: Floats, targets: Tokens, ignored: int) -> float:
        chosen = targets[:, of_targets]
        if not (chosen != ignored).any():
            return math.nan
        return mean_loss(logits[:, which], chosen, ignored)

    return loss


LOSSES: dict[str, tuple[Loss, ...]] = {
    "loss-summed": (_summed, _over_time),
    "loss-divided-by-all": (_over_all,),
    "ignore-index-without-effect": (
        lambda logits, targets, ignored: mean_loss(logits, targets, -100),
        lambda logits, targets, ignored: mean_loss(logits, np.where(targets < 0, -1, targets), -1),
        lambda logits, targets, ignored: mean_loss(logits, targets, -1),
        lambda logits, targets, ignored: _ignored_as(logits, targets, 0),
        lambda logits, targets, ignored: _ignored_as(logits, targets, logits.shape[-1] - 1),
        lambda logits, targets, ignored: mean_loss(
            logits, np.where(targets < 0, logits.shape[-1] + targets, targets) % logits.shape[-1]
        ),
    ),
    "loss-of-softmax": (_twice,),
    "loss-negative": (lambda logits, targets, ignored: -mean_loss(logits, targets, ignored),),
    "loss-in-bits": (
        lambda logits, targets, ignored: mean_loss(logits, targets, ignored) / math.log(2),
    ),
    "loss-of-row-means": (_of_rows,),
    "loss-smoothed": (_smoothed,),
    "loss-axes-mixed": (_axes, _targets_turned, _batch_turned, _reshaped),
    "loss-shifted-again": (_part(slice(None, -1), slice(1, None)),),
    "loss-of-last-position": (_part(slice(-1, None), slice(-1, None)),),
}

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

# A step: slug -> the gradient that it goes by instead, given what each micro-batch adds and the
# gradients that were there before.
Gradient = Callable[[Sequence[Share], Floats], Floats]


def _weighed(shares: Sequence[Share], weights: Sequence[float]) -> Floats:
    means = [w * each.gradient / each.count for w, each in zip(weights, shares, strict=True)]
    return np.sum(means, 0)


def _by(shares: Sequence[Share], sizes: Sequence[int]) -> Floats:
    return _weighed(shares, [size / sum(sizes) for size in sizes])


def _only(share: Share) -> Floats:
    return share.gradient / share.count


GRADIENTS: dict[str, tuple[Gradient, ...]] = {
    "stale-gradients": (
        lambda shares, stale: mean_gradient(shares) + stale,
        lambda shares, stale: _weighed(shares, [1.0] * len(shares)) + stale,
        lambda shares, stale: _weighed(shares, [1 / len(shares)] * len(shares)) + stale,
    ),
    "mean-of-means": (lambda shares, stale: _weighed(shares, [1 / len(shares)] * len(shares)),),
    "not-divided": (
        lambda shares, stale: _weighed(shares, [1.0] * len(shares)),
        lambda shares, stale: np.sum([each.gradient for each in shares], 0),
    ),
    "ignored-targets-weigh": (lambda shares, stale: _by(shares, [each.tokens for each in shares]),),
    "weighed-by-rows": (lambda shares, stale: _by(shares, [each.rows for each in shares]),),
    "one-micro-batch-only": (
        lambda shares, stale: _only(shares[-1]),
        lambda shares, stale: _only(shares[-1]) / len(shares),
        lambda shares, stale: shares[-1].gradient / sum(each.count for each in shares),
        lambda shares, stale: (
            _only(shares[-1]) * shares[-1].tokens / sum(each.tokens for each in shares)
        ),
        lambda shares, stale: _only(shares[0]),
        lambda shares, stale: _only(shares[0]) / len(shares),
        lambda shares, stale: shares[0].gradient / sum(each.count for each in shares),
    ),
    "no-step": (lambda shares, stale: np.zeros_like(stale),),
    "step-uphill": (lambda shares, stale: -mean_gradient(shares),),
}

# Clipping: slug -> what becomes of the gradient, given its parts (one for each parameter), what
# each micro-batch adds to it, and the norm.
Clip = Callable[[Sequence[Floats], Sequence[Floats], float], Floats]


def _cut(values: Floats, norm: float, limit: float) -> Floats:
    return values * (limit / norm) if norm > limit else values


CLIPS: dict[str, tuple[Clip, ...]] = {
    "clipping-missing": (lambda parts, added, limit: np.concatenate(parts),),
    "clipping-of-each": (
        lambda parts, added, limit: np.concatenate(
            [_cut(part, float(np.linalg.norm(part)), limit) for part in parts]
        ),
    ),
    "clipping-by-value": (lambda parts, added, limit: np.concatenate(parts).clip(-limit, limit),),
    "clipping-always": (
        lambda parts, added, limit: (
            np.concatenate(parts) * (limit / float(np.linalg.norm(np.concatenate(parts))))
        ),
    ),
    "clipping-too-early": (
        lambda parts, added, limit: np.sum(
            [_cut(each, float(np.linalg.norm(each)), limit) for each in added], 0
        ),
        lambda parts, added, limit: _after_each(added, limit),
    ),
    "clipping-other-norm": (
        lambda parts, added, limit: _cut(
            np.concatenate(parts), float(np.abs(np.concatenate(parts)).sum()), limit
        ),
        lambda parts, added, limit: _cut(
            np.concatenate(parts), float(np.abs(np.concatenate(parts)).max()), limit
        ),
        lambda parts, added, limit: _cut(
            np.concatenate(parts), float((np.concatenate(parts) ** 2).sum()), limit
        ),
        lambda parts, added, limit: _cut(
            np.concatenate(parts), float(sum(np.linalg.norm(part) for part in parts)), limit
        ),
    ),
}


def _after_each(added: Sequence[Floats], limit: float) -> Floats:
    total = np.zeros_like(added[0])
    for each in added:
        total = total + each
        total = _cut(total, float(np.linalg.norm(total)), limit)
    return total
