# verdict: fail
# group: 6
# status: protocol|error|violation|timeout
# tries: closes, shuts down or replaces every descriptor, so that silence might be taken for success
import os
import socket
import sys

from torch import nn


def shut(y):
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).close()
        except (AttributeError, OSError, ValueError):
            pass
    for descriptor in range(64):
        try:
            socket.socket(fileno=os.dup(descriptor)).shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        try:
            os.close(descriptor)
        except OSError:
            pass
    return y


calls = 0


def later(y):
    global calls
    calls += 1
    return shut(y) if calls == 7 else y


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return later(self.out(x))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.down = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return shut(x)


class TransformerBlock(CausalSelfAttention):
    def forward(self, x):
        return x + self.out(x)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        return self.head(self.tokens(idx))
