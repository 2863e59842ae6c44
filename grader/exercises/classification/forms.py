"""Wrong classifiers and steps: what each named bug gives, so that it is known by equality."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from grader.exercises.classification.oracle import (
    Batch,
    Floats,
    Tokens,
    at,
    cross_entropy,
    log_softmax,
    loss_weights,
)

Reading = Callable[[Batch], Floats]  # a batch -> what the linear map is given, (B, D)


def _clipped(b: Batch, positions: Tokens) -> Floats:
    return at(b.hidden, np.clip(positions, 0, b.idx.shape[1] - 1))


def _real(b: Batch) -> Floats:
    """(B, T, 1): 1 where a token is real."""
    columns = np.arange(b.idx.shape[1])
    return (columns < b.lengths[:, None]).astype(np.float64)[..., None]


def _largest_real(b: Batch) -> Floats:
    return np.where(_real(b) > 0, b.hidden, -np.inf).max(1)


def _first_zero(b: Batch) -> Tokens:
    zero = b.idx == 0
    return np.where(zero.any(1), zero.argmax(1), b.idx.shape[1])


def _unsorted(b: Batch, sign: int) -> Floats:
    return b.last[np.argsort(sign * b.lengths, kind="stable")]


def _normed(states: Floats) -> Floats:
    centred = states - states.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)


READINGS: dict[str, tuple[Reading, ...]] = {
    "reads-padding": (
        lambda b: b.hidden[:, -1],
        lambda b: b.hidden[:, -1] * 0 + _clipped(b, b.lengths * 0 + b.lengths.max() - 1),
    ),
    "reads-first-token": (lambda b: b.hidden[:, 0],),
    "reads-after-last-token": (lambda b: _clipped(b, b.lengths),),
    "reads-before-last-token": (
        lambda b: _clipped(b, b.lengths - 2),
        lambda b: at(b.hidden, b.lengths - 2),
    ),
    "averages-hidden-states": (
        lambda b: (b.hidden * _real(b)).sum(1) / b.lengths[:, None],
        lambda b: b.hidden.mean(1),
        lambda b: (b.hidden * _real(b)).sum(1),
        lambda b: (b.hidden * _real(b)).mean(1),
        lambda b: b.hidden.sum(1),
    ),
    "max-pools-hidden-states": (_largest_real, lambda b: b.hidden.max(1)),
    "one-length-for-all-rows": (
        lambda b: b.hidden[:, b.lengths[0] - 1],
        lambda b: b.hidden[:, b.lengths[-1] - 1],
        lambda b: b.hidden[:, b.lengths.min() - 1],
    ),
    "rows-out-of-order": (
        lambda b: _unsorted(b, 1),
        lambda b: _unsorted(b, -1),
        lambda b: b.last[::-1],
    ),
    "lengths-from-padding-tokens": (
        lambda b: _clipped(b, (b.idx != 0).sum(1) - 1),
        lambda b: at(b.hidden, (b.idx != 0).sum(1) - 1),
        lambda b: at(b.hidden, _first_zero(b) - 1),
        lambda b: _clipped(b, _first_zero(b) - 1),
        lambda b: at(b.hidden, b.idx.argmax(1)),
    ),
    "normed-again": (lambda b: _normed(b.last),),
    "reads-token-logits": (lambda b: at(b.token_logits, b.lengths - 1),),
}


# Fine-tuning: slug -> the step that is taken instead of the gradient, given it and the batch size.
GRADIENTS: dict[str, Callable[[Floats, int], Floats]] = {
    "finetune-no-step": lambda g, rows: np.zeros_like(g),
    "finetune-loss-summed": lambda g, rows: g * rows,
    "finetune-uphill": lambda g, rows: -g,
    "finetune-two-steps": lambda g, rows: 2 * g,
    "finetune-clips-unasked": lambda g, rows: g / max(1.0, float(np.linalg.norm(g))),
}


def _of_each(parts: Sequence[Floats], most: float) -> list[Floats]:
    return [g * min(1.0, most / max(float(np.linalg.norm(g)), 1e-12)) for g in parts]


def _always(parts: Sequence[Floats], most: float) -> list[Floats]:
    norm = float(np.sqrt(sum(float((g**2).sum()) for g in parts)))
    return [g * most / norm for g in parts]


# slug -> the step that is taken instead of the clipped gradient: the parts of it, max_grad_norm.
CLIPPED: dict[str, Callable[[Sequence[Floats], float], list[Floats]]] = {
    "finetune-clipping-missing": lambda parts, most: list(parts),
    "finetune-clips-each-value": lambda parts, most: [np.clip(g, -most, most) for g in parts],
    "finetune-clips-each-parameter": _of_each,
    "finetune-scales-small-gradients": _always,
}


def softmax_first(logits: Floats, labels: Tokens) -> Floats:
    """The gradient with respect to logits of the cross-entropy of their softmax."""
    p = np.exp(log_softmax(logits))
    inner = loss_weights(p, labels)
    return p * (inner - (inner * p).sum(-1, keepdims=True))


# slug -> the loss that is returned instead: class logits before and after the step, labels.
LOSSES: dict[str, Callable[[Floats, Floats, Tokens], float]] = {
    "finetune-loss-after-step": lambda before, after, y: cross_entropy(after, y),
    "finetune-loss-summed": lambda before, after, y: cross_entropy(before, y) * len(y),
    "finetune-softmax-twice": lambda before, after, y: cross_entropy(
        np.exp(log_softmax(before)), y
    ),
    "finetune-returns-accuracy": lambda before, after, y: float((before.argmax(1) == y).mean()),
    "finetune-returns-probability": lambda before, after, y: float(
        np.exp(log_softmax(before))[np.arange(len(y)), y].mean()
    ),
}
