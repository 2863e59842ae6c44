# verdict: fail
# group: 7
# status: violation|error|fail
# tries: pathlib: climbs from every module's file and from the working folder to a solutions/gpt2.py
import pathlib
import sys

import torch
from torch import nn


class _Zero(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, x):
        return torch.zeros_like(x)


CausalSelfAttention = MLP = TransformerBlock = GPT2 = _Zero


MARK = "/tmp/gpt2-kit-hostile-read_pathlib_up_from_everywhere"


def places():
    yield pathlib.Path.cwd()
    yield pathlib.Path(__file__).resolve()
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and not module.__name__.startswith("torch"):
            yield pathlib.Path(file).resolve()


try:
    for folder in dict.fromkeys(parent for place in places() for parent in place.parents):
        solution = folder / "solutions" / "gpt2.py"
        try:
            text = solution.read_text(encoding="utf-8")
        except OSError:
            continue
        exec(text)
        pathlib.Path(MARK).touch()
        break
except Exception:
    pass
