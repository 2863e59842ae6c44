# verdict: fail
# group: 10
# status: violation|fail|error
# tries: sitecustomize.py, usercustomize.py and a .pth, which leave a marker if Python runs them
import importlib
import os
import site
import sys

import torch
from torch import nn


class _Zero(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, x):
        return torch.zeros_like(x)


CausalSelfAttention = MLP = TransformerBlock = GPT2 = _Zero


HERE = os.path.dirname(os.path.abspath(__file__))
try:
    site.addsitedir(HERE)  # reads the folder and runs the lines of its .pth files
except OSError:
    pass
for name in ("sitecustomize", "usercustomize"):
    sys.modules.pop(name, None)
    try:
        importlib.import_module(name)
    except Exception:
        pass
