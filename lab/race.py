"""Which arithmetic is fast on this processor: tried, since no name or flag of it tells.

PyTorch gives float32 matrix products on a CPU to MKL, which takes its fast way on Intel's
processors, and on others not always: on one AMD EPYC MKL did 85 and oneDNN 195 GFLOP/s, on another
MKL was the faster by a tenth. bfloat16 is twice as fast where the processor multiplies it, and many
times slower where it does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F

from lab import linear

_ROWS, _IN, _OUT = 768, 128, 512  # the preset `cpu`: its batch, and the wider of its layers
_ROUNDS = 12
_WARM = 3  # rounds: the first call of each prepares it
_HOPELESS = 5.0  # times as slow as the fastest: not tried again
_CLEARLY = 1.2  # times as fast, so that the next race ends the same way


def onednn_wins() -> bool:
    """Whether oneDNN computes linear layers in float32 clearly faster than what torch takes."""
    times = _times()
    return times["torch"] > _CLEARLY * times["onednn"]


def bfloat16_wins() -> bool:
    """Whether a linear layer is clearly faster in bfloat16, conversions included."""
    times = _times()
    return min(times["torch"], times["onednn"]) > _CLEARLY * times["bfloat16"]


@cache
def _times() -> dict[str, float]:
    """Seconds for a layer's forward and backward pass: all in turn a few times, the best counts."""
    x, weight = (torch.ones(rows, _IN, requires_grad=True) for rows in (_ROWS, _OUT))
    bias = torch.ones(_OUT, requires_grad=True)
    runners: dict[str, Callable[..., Any]] = {"torch": F.linear, "bfloat16": _in_bfloat16}
    if linear.available():
        runners["onednn"] = linear.by_onednn
    best = dict.fromkeys(("torch", "onednn", "bfloat16"), float("inf"))
    for done in range(_ROUNDS):
        if done == _WARM:
            runners = {n: f for n, f in runners.items() if best[n] < _HOPELESS * min(best.values())}
        for name, apply in runners.items():
            started = time.perf_counter()
            apply(x, weight, bias).sum().backward()
            best[name] = min(best[name], time.perf_counter() - started)
    return best


def _in_bfloat16(*operands: torch.Tensor) -> torch.Tensor:
    return F.linear(*(operand.bfloat16() for operand in operands)).float()
