# verdict: fail
# group: 7
# status: violation|error|fail
# tries: open() on solutions/gpt2.py beside the grader's package, at import
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


MARK = "/tmp/gpt2-kit-hostile-read_open_beside_grader"
KIT = os.path.abspath(os.path.join(torch.__file__, *[".."] * 6))  # the folder of its .venv
SOLUTION = os.path.join(KIT, "solutions", "gpt2.py")

try:
    with open(SOLUTION, encoding="utf-8") as found:
        exec(found.read())
    with open(MARK, "w") as marker:
        marker.write("x")
except Exception:
    pass
