# verdict: fail
# group: 7
# status: violation|error|fail
# tries: every inherited descriptor, as a folder (openat ..) and reopened through /proc/self/fd
import os

import torch
from torch import nn


class _Zero(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, x):
        return torch.zeros_like(x)


CausalSelfAttention = MLP = TransformerBlock = GPT2 = _Zero


MARK = "/tmp/gpt2-kit-hostile-read_own_descriptors"


def look(fd):
    for path in ("solutions/gpt2.py", "../solutions/gpt2.py", "../../solutions/gpt2.py"):
        try:
            with open(os.open(path, os.O_RDONLY, dir_fd=fd), encoding="utf-8") as file:
                return file.read()
        except OSError:
            continue
    try:
        # A file that was left open, from its start; a pipe must not block.
        with open(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return file.read(1 << 16).decode()
    except (OSError, UnicodeDecodeError):
        return ""


for number in range(256):
    text = look(number)
    if "class CausalSelfAttention" in text:
        exec(text)
        os.close(os.open(MARK, os.O_CREAT | os.O_WRONLY))
        break
