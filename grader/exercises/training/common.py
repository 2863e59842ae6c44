"""A small model to train, micro-batches for it, and the code that makes the same."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from grader.check import Failure
from grader.exercises.training.oracle import IGNORED, Pair, Tokens, ToyModel
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import import_line
from grader.sandbox.client.function import words

VOCAB, WIDTH, TIME = 7, 3, 5

# What a counterexample needs to stand alone; the same model as the worker's.
_MODEL = """class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.gain, self.weight, self.bias, self.kernel = map(
            nn.Parameter, (embed, gain, weight, bias, kernel))
        self.places = nn.Parameter(places, requires_grad=False)
        self.noise = nn.Dropout(dropout_p)

    def forward(self, idx):
        x = self.embed[idx] + self.places[:idx.shape[1]]
        h = torch.tanh(F.linear(x * self.gain, self.weight, self.bias))
        before = torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], 1)
        z = self.noise(h @ self.kernel[0] + before @ self.kernel[1])
        return z @ self.embed.T
"""


def trainee(draw: int) -> ToyModel:
    """A model with drawn parameters."""
    rng = np.random.default_rng(draw)
    drawn = [rng.normal(0.0, 0.8, shape) for shape in _SHAPES.values()]
    return ToyModel(*drawn)


_SHAPES = {
    "embed": (VOCAB, WIDTH),
    "places": (TIME, WIDTH),
    "gain": (WIDTH,),
    "weight": (WIDTH, WIDTH),
    "bias": (WIDTH,),
    "kernel": (2, WIDTH, WIDTH),
}


def imports(evidence: Evidence, *names: str) -> list[str]:
    """Lines with which a counterexample begins."""
    main = evidence.subject.submission.main
    return [
        "import numpy as np",
        "import torch",
        "import torch.nn.functional as F",
        "from torch import nn",
        *(import_line(main, name) for name in names),
        "",
        "torch.set_default_dtype(torch.float64)",
    ]


def model_code(draw: int) -> list[str]:
    """Lines that make `model`, as `trainee` does."""
    return [
        f"rng, dropout_p = np.random.default_rng({draw}), 0.0",
        f"{', '.join(_SHAPES)} = (",
        f"    torch.from_numpy(rng.normal(0.0, 0.8, s)) for s in {list(_SHAPES.values())})",
        _MODEL,
        "model = Model()",
    ]


def micro_batch(rng: np.random.Generator, rows: int, time: int, ignored: int) -> Pair:
    """Inputs and targets (rows, time), of which so many do not count."""
    targets = rng.integers(0, VOCAB, (rows, time))
    places = rng.permutation(targets.size)[: min(ignored, targets.size - 1)]
    targets.ravel()[places] = IGNORED
    return rng.integers(0, VOCAB, (rows, time)), targets


def a_float(value: Any, what: str) -> float:
    """A Python float. Raises Failure for anything else, and for NaN."""
    if value is None:
        raise Failure(f"expected {what} as a float, found None", cause="not-implemented")
    if type(value) is not float:
        raise Failure(
            f"expected {what} as a Python float, found {words(value)}", cause="loss-not-a-float"
        )
    if not math.isfinite(value):
        raise Failure(f"expected {what} as a finite float, found {value}")
    return value


def tokens_code(tokens: Tokens) -> str:
    """Token indices as Python."""
    return f"torch.tensor({tokens.tolist()})"
