# verdict: fail
# group: 7
# status: violation|error|fail
# tries: opens the folder, then the file relative to it (dir_fd), and maps it with mmap
import mmap
import os
import sys

import torch
from torch import nn


class _Zero(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, x):
        return torch.zeros_like(x)


CausalSelfAttention = MLP = TransformerBlock = GPT2 = _Zero


MARK = "/tmp/gpt2-kit-hostile-read_mmap_relative_to_a_folder"
KIT = os.path.abspath(os.path.join(torch.__file__, *[".."] * 6))  # the folder of its .venv

try:
    folder = os.open(KIT, getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY)
    descriptor = os.open("solutions/gpt2.py", os.O_RDONLY, dir_fd=folder)
    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as view:
        exec(view[:])
    os.close(os.open(MARK, os.O_CREAT | os.O_WRONLY))
except Exception:
    pass
