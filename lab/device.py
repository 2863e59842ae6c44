"""Where and in which arithmetic things are computed: chosen by itself, and said."""

from __future__ import annotations

import os
import platform

import torch

from lab import linear, race
from lab.environment import sleeps
from lab.errors import LabError


def choose(wanted: str = "auto") -> torch.device:
    """The device of that name, or the fastest there is. Raises LabError if it is not there."""
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    # Each kind of device has its own exception for its absence.
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise LabError(f"there is no device {wanted!r} here: {reason}") from error
    return device


def in_words(device: torch.device) -> str:
    """Such as "cpu (AMD EPYC, threads: 2)"."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        waiting = ", which sleep while they wait" if sleeps() else ""
        return f"cpu ({processor()}, threads: {torch.get_num_threads()}{waiting})"
    return str(device)


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = (line.partition(":")[2].strip() for line in file if "model name" in line)
            return next(names)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def training_precision(wanted: str, device: torch.device) -> torch.dtype:
    """What forward passes are computed in; weights stay float32."""
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    if device.type == "cpu":
        fast = race.bfloat16_wins()
    else:
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def linear_by_onednn(wanted: str, device: torch.device) -> bool:
    """Whether linear layers in float32 go through oneDNN."""
    if device.type != "cpu" or not linear.available():
        return False
    return wanted == "onednn" or (wanted == "auto" and race.onednn_wins())


def sampling_precision(wanted: str, device: torch.device) -> torch.dtype:
    """What weights are kept in while a model writes.

    Token by token, the time goes into reading every weight once; half the bytes, half the time,
    if the processor multiplies them as they are.
    """
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    if device.type == "cpu":
        supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # not in torch 2.4
        fast = supported is not None and bool(supported())
    else:
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if fast else torch.float32
