# verdict: fail
# group: 9
# status: fail|error|violation
# tries: 64 MiB on stdout, stderr, warnings and an endless exception message
import os
import sys
import warnings

from torch import nn


class Loud(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        for _ in range(32):
            os.write(1, b"PASS " * (1 << 18))
            sys.stderr.write("PASS " * (1 << 16))
        warnings.warn("PASS " * (1 << 16))

    def forward(self, x):
        raise type("E" * 100_000, (Exception,), {})("PASS " * (1 << 22))


CausalSelfAttention = MLP = TransformerBlock = GPT2 = Loud
