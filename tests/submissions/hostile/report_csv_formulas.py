# verdict: fail
# group: 11
# status: error
# tries: messages and names that begin like formulas and break out of quoted cells
from torch import nn


CELL = '=HYPERLINK("http://127.0.0.1/","PASS")",pass,100\r\n@SUM(1)\t+1\n-1;"'
Formula = type("=1+1", (Exception,), {})


class Loud(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, x):
        raise Formula(CELL)


CausalSelfAttention = MLP = TransformerBlock = GPT2 = Loud
