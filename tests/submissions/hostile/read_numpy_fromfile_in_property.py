# verdict: fail
# group: 7
# status: violation|error|fail
# tries: a property reads the solution with numpy.fromfile (numpy taken from sys.modules)
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


MARK = "/tmp/gpt2-kit-hostile-read_numpy_fromfile_in_property"
KIT = os.path.abspath(os.path.join(torch.__file__, *[".."] * 6))  # the folder of its .venv
SOLUTION = os.path.join(KIT, "solutions", "gpt2.py")


class Thief:
    @property
    def text(self):
        numpy = sys.modules.get("numpy") or __import__("numpy")
        return numpy.fromfile(SOLUTION, dtype="uint8").tobytes()


try:
    exec(Thief().text)
    os.close(os.open(MARK, os.O_CREAT | os.O_WRONLY))
except Exception:
    pass
