# verdict: fail
# group: 11
# status: error|fail|violation
# tries: ::notice:: and other workflow commands in messages, on stdout and on stderr
import os
import sys

from torch import nn


LINES = "\n".join(
    ["", "::notice::PASS 100 of 100 points", "::add-mask::FAIL", "::stop-commands::x",
     "::set-output name=verdict::pass", "##vso[task.complete result=Succeeded;]", "::endgroup::"]
)
print(LINES, flush=True)
sys.stderr.write(LINES)
for descriptor in (1, 2):
    os.write(descriptor, LINES.encode())


class Loud(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, x):
        raise RuntimeError(LINES)


CausalSelfAttention = MLP = TransformerBlock = GPT2 = Loud
