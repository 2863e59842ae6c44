# verdict: fail
# group: 1
# status: error|violation
# tries: KeyboardInterrupt in forward, BaseException in backward, exit in an exception's __str__
import os

import torch
from torch import nn


class Stopped(BaseException):
    """No Exception, so that `except Exception` lets it through."""


class Polite(MemoryError):
    """Exits when the grader reads what it says."""

    def __str__(self):
        os._exit(0)

    __repr__ = __str__


class Interrupt(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise Stopped(0)


def stop(kind=KeyboardInterrupt):
    raise kind


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return Interrupt.apply(self.out(x))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.down = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return stop()


class TransformerBlock(CausalSelfAttention):
    def forward(self, x):
        return stop(Polite)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        return stop()
