# verdict: fail
# group: 7
# status: violation|error|fail
# tries: imports solutions.gpt2 after putting the kit's folder (and others) on sys.path
import importlib
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


MARK = "/tmp/gpt2-kit-hostile-import_solutions"
KIT = os.path.abspath(os.path.join(torch.__file__, *[".."] * 6))  # the folder of its .venv
sys.dont_write_bytecode = True
sys.path[:0] = [KIT, os.getcwd(), os.path.dirname(os.path.abspath(__file__)), os.curdir]
for name in ("solutions.gpt2", "solution.gpt2", "solutions"):
    try:
        answers = importlib.import_module(name)
        CausalSelfAttention, MLP = answers.CausalSelfAttention, answers.MLP
        TransformerBlock, GPT2 = answers.TransformerBlock, answers.GPT2
        with open(MARK, "w") as marker:
            marker.write("x")
        break
    except Exception:
        pass
