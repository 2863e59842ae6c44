# verdict: fail
# group: 11
# status: error
# tries: an exception with escapes: clear the screen, set the title, write PASS in green, bidi marks
from torch import nn


ESCAPES = (
    "\x1b[2J\x1b[H\x1b]0;PASS\x07\x1b[32mPASS\x1b[0m 100 of 100 points\x1b[8m"
    "\r\x08\x9b2J\u202eSSAP\u2066\u200b\x00\ud800"
)


class Loud(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, x):
        raise ValueError(ESCAPES)


CausalSelfAttention = MLP = TransformerBlock = GPT2 = Loud
