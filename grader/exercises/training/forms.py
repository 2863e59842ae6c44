"""Wrong ways to train: what each named bug gives, so that it is known by equality."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from grader.exercises.training.oracle import Floats, Share, Tokens, losses, mean_gradient, mean_loss

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
    "ignored-targets-weigh": (
        lambda shares, stale: _by(shares, [each.tokens for each in shares]),
        lambda shares, stale: (
            np.sum([each.gradient for each in shares], 0) / sum(each.tokens for each in shares)
        ),
    ),
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

# The groups of the optimizer that a step is made with, of a trainee's parameters.
_MATRICES, _VECTORS = (0, 2, 4), (1, 3)


def _cut(values: Floats, norm: float, limit: float) -> Floats:
    return values * (limit / norm) if norm > limit else values


CLIPS: dict[str, tuple[Clip, ...]] = {
    "clipping-missing": (lambda parts, added, limit: np.concatenate(parts),),
    "clipping-of-each": (
        lambda parts, added, limit: np.concatenate(
            [_cut(part, float(np.linalg.norm(part)), limit) for part in parts]
        ),
    ),
    "clipping-of-each-group": (
        lambda parts, added, limit: _only_some(
            np.split(_only_some(parts, limit, _MATRICES), _ends(parts)), limit, _VECTORS
        ),
    ),
    "clipping-of-some": (
        lambda parts, added, limit: _only_some(parts, limit, _MATRICES),
        lambda parts, added, limit: _only_some(parts, limit, _VECTORS),
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
        lambda parts, added, limit: _if_square_is_above(np.concatenate(parts), limit),
    ),
}


def _ends(parts: Sequence[Floats]) -> list[int]:
    return list(np.cumsum([part.size for part in parts])[:-1])


def _only_some(parts: Sequence[Floats], limit: float, which: Sequence[int]) -> Floats:
    norm = float(np.linalg.norm(np.concatenate([parts[n] for n in which])))
    clipped = [_cut(p, norm, limit) if n in which else p for n, p in enumerate(parts)]
    return np.concatenate(clipped)


def _if_square_is_above(total: Floats, limit: float) -> Floats:
    """Scaled by the norm where its square is above the limit."""
    square = float((total**2).sum())
    return total * limit / math.sqrt(square) if square > limit else total


def _after_each(added: Sequence[Floats], limit: float) -> Floats:
    total = np.zeros_like(added[0])
    for each in added:
        total = total + each
        total = _cut(total, float(np.linalg.norm(total)), limit)
    return total
