# verdict: fail
# group: 6
# status: fail|protocol|error
# tries: valid JSON that makes a careless parent raise: an identity of 1e400, no modules, odd lists
import json
import sys
from functools import partial

import torch
from torch import nn


def handler():
    """What answers in this worker, a few frames up."""
    frame = sys._getframe()
    while not frame.f_code.co_filename.endswith("worker/answers.py"):
        frame = frame.f_back
    return frame.f_locals["self"], frame.f_globals


def replace():
    item, kit = handler()
    describe, wire = kit["describe"], kit["wire"]
    honest = describe.model

    def model(module, named, classes):
        told = json.loads(honest(module, named, classes))
        if type(module) is CausalSelfAttention:
            for entry in told["modules"]:
                entry["identity"] = 10**400
        elif type(module) is MLP:
            told["modules"] = []
        else:
            told["modules"] *= 2
        return json.dumps(told).replace(str(10**400), "1e400").encode()

    describe.model = model

    def gradient(self, arrays, model, **kwargs):
        shapes = [p.shape for p in self.models[model].parameters]
        numbers = wire.Array("float64", (7,), bytes(56))
        return wire.Message({"present": [True] * (len(shapes) + 1)}, (numbers,) * (len(shapes) + 2))

    item.questions["gradient"] = partial(gradient, item)
    item.questions["trace"] = lambda **kwargs: wire.Message({"functions": [[[]]] * 9})
    item.questions["help"] = lambda **kwargs: wire.Message({"value": {"dict": [[[]]]}})


try:
    replace()
except Exception:
    pass


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return torch.zeros_like(x)


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
