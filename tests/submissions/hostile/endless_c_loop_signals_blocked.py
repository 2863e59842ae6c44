# verdict: fail
# group: 9
# status: timeout
# tries: blocks and ignores every signal, then stays in C, holding the interpreter's lock
import signal
import time

from torch import nn


class Stone(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())

    def forward(self, x):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            sum(range(200_000_000))  # seconds in C without a look at signals
        return x


CausalSelfAttention = MLP = TransformerBlock = GPT2 = Stone
