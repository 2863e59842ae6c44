# verdict: fail
# group: 9
# status: memory
# tries: asks for 8 GiB in forward, touches it, and calls the error its own
import torch
from torch import nn


class Glutton(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, x):
        return x + torch.ones(1 << 30, dtype=torch.float64)[0]


CausalSelfAttention = MLP = TransformerBlock = GPT2 = Glutton
