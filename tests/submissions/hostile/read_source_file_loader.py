# verdict: fail
# group: 7
# status: violation|error|fail
# tries: SourceFileLoader in a thread runs the solution as a module
import importlib.machinery
import importlib.util
import os
import sys
import threading

import torch
from torch import nn


class _Zero(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, x):
        return torch.zeros_like(x)


CausalSelfAttention = MLP = TransformerBlock = GPT2 = _Zero


MARK = "/tmp/gpt2-kit-hostile-read_source_file_loader"
KIT = os.path.abspath(os.path.join(torch.__file__, *[".."] * 6))  # the folder of its .venv
SOLUTION = os.path.join(KIT, "solutions", "gpt2.py")

def run():
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("warnings_", SOLUTION)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("warnings_", loader))
    try:
        loader.exec_module(module)
    except OSError:
        return
    for name in ("CausalSelfAttention", "MLP", "TransformerBlock", "GPT2"):
        globals()[name] = getattr(module, name)
    os.close(os.open(MARK, os.O_CREAT | os.O_WRONLY))


thread = threading.Thread(target=run)
thread.start()
thread.join(10)
