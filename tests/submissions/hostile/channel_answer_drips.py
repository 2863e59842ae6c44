# verdict: fail
# group: 6
# status: timeout|violation|protocol
# tries: one byte of a frame every tenth of a second for a minute: outlives a deadline on each read
import os
import struct
import time

from torch import nn

FRAME = struct.pack("<II", 500, 0) + b'{"arrays": []}'.rjust(500)


def drip(y):
    end = time.monotonic() + 60
    for number in range(len(FRAME)):
        if time.monotonic() > end:
            break
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, FRAME[number : number + 1])
            except OSError:
                pass
        time.sleep(0.1)
    return y


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return drip(x)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.down = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return self.down(x)


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
