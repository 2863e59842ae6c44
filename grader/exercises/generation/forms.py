"""Wrong ways to generate: what each named bug gives, so that it is known by equality."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from grader.exercises.generation.oracle import (
    Floats,
    Script,
    Tokens,
    crop_last,
    distribution,
    greedy,
    softmax,
)

Flags = NDArray[np.bool_]

# Greedy: slug -> what comes out instead, given (script, idx, max_new_tokens, block_size, eos).
Greedy = Callable[[Script, Tokens, int, int, int | None], Tokens]


def _no_prompt(script: Script, idx: Tokens, new: int, size: int, eos: int | None) -> Tokens:
    return greedy(script, idx, new, size, eos)[:, idx.shape[1] :]


def _until(
    script: Script,
    idx: Tokens,
    new: int,
    block_size: int,
    eos: int | None,
    *,
    stop: Callable[[np.ndarray], bool],
    pad: bool,
    prompt_counts: bool = False,
    keep_eos: bool = True,
    pad_with: int | None = None,
) -> Tokens:
    """Greedy with other rules for the end."""
    done = (idx == eos).any(1) if prompt_counts and eos is not None else np.zeros(len(idx), bool)
    for _ in range(new):
        chosen = script.logits(crop_last(idx, block_size))[:, -1].argmax(-1)
        if eos is not None:
            if pad:
                chosen = np.where(done, eos if pad_with is None else pad_with, chosen)
            done = done | (chosen == eos)
            if not keep_eos and stop(done):
                break
        idx = np.concatenate([idx, chosen[:, None]], axis=1)
        if eos is not None and stop(done):
            break
    return idx


def _all(done: np.ndarray) -> bool:
    return bool(done.all())


def _any(done: np.ndarray) -> bool:
    return bool(done.any())


def _first(done: np.ndarray) -> bool:
    return bool(done[0])


def _never(done: np.ndarray) -> bool:
    return False


GREEDY: dict[str, tuple[Greedy, ...]] = {
    "reads-first-position": (partial(greedy, choose=lambda logits: logits[:, 0].argmax(-1)),),
    "least-probable": (partial(greedy, choose=lambda logits: logits[:, -1].argmin(-1)),),
    "reads-position-before-last": (
        partial(greedy, choose=lambda logits: logits[:, max(0, logits.shape[1] - 2)].argmax(-1)),
    ),
    "crop-first": (partial(greedy, crop=lambda idx, size: idx[:, :size]),),
    "crop-too-short": (
        partial(greedy, crop=lambda idx, size: idx[:, -max(1, size - 1) :]),
        partial(greedy, crop=lambda idx, size: idx[:, -1:]),
    ),
    "prompt-lost": (_no_prompt,),
    "token-too-many": (lambda s, i, n, b, e: greedy(s, i, n + 1, b, e),),
    "token-too-few": (lambda s, i, n, b, e: greedy(s, i, max(0, n - 1), b, e),),
    "eos-ignored": (partial(_until, stop=_never, pad=False),),
    "eos-stops-at-first-row": (
        partial(_until, stop=_any, pad=True),
        partial(_until, stop=_any, pad=False),
        partial(_until, stop=_first, pad=True),
        partial(_until, stop=_first, pad=False),
    ),
    "eos-not-kept": (
        partial(_until, stop=_all, pad=False),
        partial(_until, stop=_all, pad=True, pad_with=0),
        partial(_until, stop=_never, pad=True, pad_with=0),
    ),
    "eos-never-stops": (partial(_until, stop=_never, pad=True),),
    "eos-in-prompt-counts": (partial(_until, stop=_all, pad=True, prompt_counts=True),),
    "eos-left-out": (partial(_until, stop=_all, pad=True, keep_eos=False),),
}


# Sampling: slug -> the probabilities with which tokens come out instead.
Sampled = Callable[[Floats, float, int | None, float | None], Floats]


def _hot(logits: Floats) -> Floats:
    p = np.zeros_like(logits)
    p[logits.argmax()] = 1.0
    return p


def _nucleus(p: Floats, top_p: float | None, inside: Callable[[Floats, Floats], Flags]) -> Floats:
    """Top-p with another rule for which of the tokens, most probable first, are in."""
    p = p.copy()
    if top_p is not None:
        order = np.argsort(-p, kind="stable")
        kept = inside(p[order], np.cumsum(p[order]))
        kept[0] |= not kept.any()
        p[order[~kept]] = 0.0
        p /= p.sum()
    return p


def _no_cross(logits: Floats, t: float, k: int | None, p: float | None) -> Floats:
    limit = p or 1.0
    return _nucleus(distribution(logits, t, k), p, lambda q, c: c <= limit)


def _unsorted(logits: Floats, t: float, k: int | None, p: float | None) -> Floats:
    """The sum runs over tokens as they are numbered."""
    kept = distribution(logits, t, k)
    if p is not None:
        kept[np.cumsum(kept) - kept >= p] = 0.0
        kept /= kept.sum()
    return kept


def _one_more(logits: Floats, t: float, k: int | None, p: float | None) -> Floats:
    limit = p or 1.0

    def inside(q: Floats, c: Floats) -> Flags:
        kept = c - q < limit
        kept[min(int(kept.sum()), len(kept) - 1)] = True
        return kept

    return _nucleus(distribution(logits, t, k), p, inside)


def _tail(logits: Floats, t: float, k: int | None, p: float | None) -> Floats:
    """Top-p of tokens that were sorted the wrong way round: the least probable ones."""
    q = distribution(logits, t, k)
    if p is None:
        return q
    order = np.argsort(q, kind="stable")
    before = np.cumsum(q[order]) - q[order]
    q[order[before >= p]] = 0.0
    return q / q.sum()


def _each(logits: Floats, t: float, k: int | None, p: float | None) -> Floats:
    """Top-p as a bound for each probability by itself."""
    q = distribution(logits, t, k)
    if p is None:
        return q
    kept = np.where(q >= 1 - p, q, 0.0)
    return kept / kept.sum() if kept.any() else q


def _cut_cold(logits: Floats, t: float, k: int | None, p: float | None) -> Floats:
    """Top-p of the probabilities before the temperature."""
    kept = distribution(logits, 1.0, k, p) > 0
    q = np.where(kept, softmax(logits / t), 0.0)
    return q / q.sum()


def _p_first(logits: Floats, t: float, k: int | None, p: float | None) -> Floats:
    """Top-p of all tokens, and not of those that top-k left."""
    kept = (distribution(logits, t, None, p) > 0) & (distribution(logits, t, k) > 0)
    q = np.where(kept, softmax(logits / t), 0.0)
    return q / q.sum()


def _last_k(logits: Floats, t: float, k: int | None, p: float | None) -> Floats:
    q = softmax(logits / t)
    if k is not None:
        q[np.argsort(-q, kind="stable")[: max(0, len(q) - k)]] = 0.0
        q /= q.sum()
    return _nucleus(q, p, lambda r, c: c - r < (p or 1.0))


def _uniform(logits: Floats, t: float, k: int | None, p: float | None) -> Floats:
    kept = distribution(logits, t, k, p) > 0
    return kept / kept.sum()


SAMPLED: dict[str, tuple[Sampled, ...]] = {
    "temperature-ignored": (lambda z, t, k, p: distribution(z, 1.0, k, p),),
    "temperature-multiplied": (lambda z, t, k, p: distribution(z, 1 / t, k, p),),
    "temperature-on-probabilities": (lambda z, t, k, p: distribution(softmax(z), t, k, p),),
    "always-greedy": (
        lambda z, t, k, p: _hot(z),
        lambda z, t, k, p: _hot(z) if t < 0.3 else distribution(z, t, k, p),
        lambda z, t, k, p: _hot(z) if t < 0.1 else distribution(z, t, k, p),
    ),
    "not-in-proportion": (_uniform,),
    "top-k-ignored": (lambda z, t, k, p: distribution(z, t, None, p),),
    "top-k-off-by-one": (
        lambda z, t, k, p: distribution(z, t, None if k is None else k + 1, p),
        lambda z, t, k, p: distribution(z, t, None if k is None else max(1, k - 1), p),
    ),
    "top-k-keeps-the-least": (_last_k,),
    "top-p-ignored": (lambda z, t, k, p: distribution(z, t, k, None),),
    "top-p-not-sorted": (_unsorted,),
    "top-p-without-the-crossing-token": (_no_cross,),
    "top-p-one-token-too-many": (_one_more,),
    "top-p-keeps-the-least": (_tail,),
    "top-p-of-each-token": (_each,),
    "top-p-before-temperature": (_cut_cold,),
    "top-p-before-top-k": (_p_first,),
}
