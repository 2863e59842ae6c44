# verdict: fail
# group: 9
# status: timeout
# tries: a loop in forward that catches all that would end it
import time

import torch
from torch import nn


class Loop(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                while time.monotonic() < end:
                    pass
            except BaseException:
                continue
        return x


CausalSelfAttention = MLP = TransformerBlock = GPT2 = Loop
