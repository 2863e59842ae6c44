"""In which precision a class is asked: float64, or what passes for float32 with one that insists.

The brief promises float32 inputs; float64 is the grader's own convenience. Each class is tried
once. One that refuses float64, and takes float32, is told that its float64 numbers are float32
(see `pretend` in the worker): its equality is then shown as exactly as any other's, and what it
gives in real float32 is compared besides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from grader.gpt2.layouts.box import difference
from grader.sandbox.client import CandidateError, Module
from grader.sandbox.client.worker import Values

Size = dict[str, int]

# Of the output's size, between float64 and real float32. Measured on right ones of
# tests/submissions, over the regimes: 5e-6 at most, and 4e-5 with huge weights.
SINGLE = 1e-3
CLOSE_IN_SINGLE = 1e-4  # for one that is not shown in float64 as it stands
_WIDTH, _TOKENS = 4, 5
_SEED = 97  # a model of its own, that no check asks
_ATTENTION: Size = {"embed_dim": _WIDTH, "num_heads": 2, "block_size": _TOKENS}
_SIZES: dict[str, Size] = {
    "CausalSelfAttention": _ATTENTION,
    "MLP": {"embed_dim": _WIDTH},
    "TransformerBlock": _ATTENTION,
    "GPT2": {
        "vocab_size": 7,
        "embed_dim": _WIDTH,
        "num_heads": 2,
        "num_layers": 1,
        "block_size": _TOKENS,
    },
}
_DEVICE_WORDS = ("cuda", "nvidia", "mps", "xpu")

Build = Callable[..., Module]  # of a name, a size, and options
Remark = tuple[str, str]  # its id and its words


def found_out(build: Build, name: str, insisting: bool) -> tuple[str, Remark | None]:
    """What a class has to be told ("" for nothing, "devices" or "float32"), and a remark on it.

    insisting: whether a class that it is made of has to be told "float32".
    """
    if name not in _SIZES:
        return "", None
    try:
        _try(build, name, told="")
        if insisting and _works(build, name, "float32") is not None:
            return "float32", None
    except CandidateError as fault:
        if fault.status in ("error", "fail"):
            return _instead(build, name, fault.message)
    return "", None


def _instead(build: Build, name: str, why: str) -> tuple[str, Remark | None]:
    """The same for a class that refuses float64 on this machine, and why it does."""
    elsewhere = any(word in why.lower() for word in _DEVICE_WORDS)
    if elsewhere and _works(build, name, "devices") is not None:
        return "devices", ("device-not-here", _device_words(name, why))
    single = _works(build, name, "devices", dtype="float32")
    told = None if single is None else _works(build, name, "float32")
    if single is None or told is None or not difference(single, told) <= SINGLE:
        return "", None
    if _works(build, name, "", dtype="float32") is None:
        return "float32", ("device-not-here", _device_words(name, why))
    return "float32", ("float32-only", single_words(f"{name} works in float32 only", why))


def single_words(what: str, why: str) -> str:
    """The remark on a class that float64 is too much for."""
    return (
        f"{what} ({why}). That is all right: the brief's "
        "inputs are float32, and it was checked with them. Code that takes the dtype of new "
        "tensors from its input works in every precision."
    )


def _device_words(name: str, why: str) -> str:
    return (
        f"{name} asks for a device that the grader's machine does not have ({why}), and was "
        "checked on the CPU instead. Code that takes the device from its input runs everywhere."
    )


def _works(build: Build, name: str, told: str, **options: Any) -> Values | None:
    """The output in this way, unless there is none."""
    try:
        return _try(build, name, told=told, **options)
    except CandidateError:
        return None


def _try(build: Build, name: str, **options: Any) -> Values:
    """The output for a whole sequence, drawn with dropout as nothing but chance may say."""
    module = build(name, _SIZES[name], seed=_SEED, dropout_p=0.5, **options)
    rng = np.random.default_rng(0)
    theta = module.random(rng, 0.5)
    x: Values = rng.integers(0, 7, (2, _TOKENS))
    if name != "GPT2":
        x = rng.normal(0.0, 1.0, (2, _TOKENS, _WIDTH)).astype(module.dtype)
    module.outputs([x[:, :1], x], theta, train=True)
    return module.call(x)
