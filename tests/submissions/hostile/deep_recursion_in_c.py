# verdict: fail
# group: 9
# status: error|timeout|memory
# tries: no recursion limit, then a comparison of lists that recurses in C until the stack is gone
import sys

from torch import nn


class Deep(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        self.depth = 0

    def forward(self, x):
        sys.setrecursionlimit(2**31 - 1)
        left, right = [], []
        for _ in range(50_000):
            left, right = [left], [right]
        return x * (left == right)


CausalSelfAttention = MLP = TransformerBlock = GPT2 = Deep
