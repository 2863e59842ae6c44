# verdict: fail
# group: 7
# status: violation
# tries: openat and read as raw system calls by ctypes, past every wrapper of Python's
import ctypes
import os
import platform
import sys

import torch
from torch import nn


class _Zero(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, x):
        return torch.zeros_like(x)


CausalSelfAttention = MLP = TransformerBlock = GPT2 = _Zero


MARK = "/tmp/gpt2-kit-hostile-read_raw_system_call"
KIT = os.path.abspath(os.path.join(torch.__file__, *[".."] * 6))  # the folder of its .venv
SOLUTION = os.path.join(KIT, "solutions", "gpt2.py")

def steal():
    libc = ctypes.CDLL(None, use_errno=True)
    openat, read = {"x86_64": (257, 0), "aarch64": (56, 63)}[platform.machine()]
    descriptor = libc.syscall(openat, -100, SOLUTION.encode(), os.O_RDONLY, 0)
    buffer = ctypes.create_string_buffer(1 << 16)
    count = libc.syscall(read, descriptor, buffer, len(buffer)) if descriptor >= 0 else 0
    return buffer.raw[: max(count, 0)]


try:
    text = steal()
    exec(text)
    if text:
        os.close(os.open(MARK, os.O_CREAT | os.O_WRONLY))
except Exception:
    pass
