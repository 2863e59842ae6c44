# verdict: fail
# group: 9
# status: error|violation
# tries: a property reads address 0 the first time a model is looked at
import ctypes
import faulthandler

from torch import nn


class Crash(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    @property
    def training(self):
        try:
            faulthandler._sigsegv()
        finally:
            ctypes.string_at(0)

    @training.setter
    def training(self, value):
        pass

    def forward(self, x):
        return x * self.training


CausalSelfAttention = MLP = TransformerBlock = GPT2 = Crash
