"""A call of `generate` on a scripted model, and the code that makes the same call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from grader.checks.api import Counterexample
from grader.checks.evidence import Evidence
from grader.checks.experiment import import_line, show
from grader.oracle.generation import DECAY, Script, Tokens
from grader.remote.function import Generator, Returned, Scripted, call, expect_tokens

NAME = "generate"

# What a counterexample needs to stand alone; the same model as the worker's.
_MODEL = f"""class Model(torch.nn.Module):
    def forward(self, idx):
        assert 1 <= idx.shape[1] <= len(places), "more than block_size tokens"
        x = embed[idx] + places[:idx.shape[1]]
        state, states = torch.zeros_like(x[:, 0]), []
        for t in range(idx.shape[1]):
            state = {DECAY} * state + x[:, t]
            states.append(state)
        return torch.tanh(torch.stack(states, 1)) @ head + bias
"""


@dataclass(frozen=True)
class Call:
    """One call. script: the model; made: Python that makes `embed`, `places`, `head`, `bias`."""

    script: Script
    made: str
    idx: Tokens
    max_new_tokens: int
    options: dict[str, Any] = field(default_factory=dict)
    train: bool = False
    seed: int = 0

    @property
    def block_size(self) -> int:
        """Of the model."""
        return len(self.script.places)

    def run(
        self,
        evidence: Evidence,
        seed: int | None = None,
        *,
        watch: bool = False,
        recording: bool = True,
    ) -> Returned:
        """What the submission gives, checked to be token indices. The rest as of `call`."""
        given: dict[str, Any] = {
            "model": Scripted(self.script.arrays, DECAY, self.train),
            "idx": self.idx,
            "max_new_tokens": self.max_new_tokens,
            "block_size": self.block_size,
            **self.options,
        }
        seed = self.seed if seed is None else seed
        found = call(evidence.subject, NAME, given, seed, watch=watch, recording=recording)
        expect_tokens(found.output, NAME)
        return found

    def counterexample(
        self, evidence: Evidence, expected: object, found: object, *lines: str
    ) -> Counterexample:
        """The call as code, with what it should show and what it shows."""
        options = "".join(
            f", {k}={f'torch.Generator().manual_seed({v.seed})' if isinstance(v, Generator) else v}"
            for k, v in self.options.items()
        )
        prompt = f"torch.tensor({self.idx.tolist()})" if self.idx.size < 60 else self._long_prompt()
        code = [
            "import numpy as np",
            "import torch",
            import_line(evidence.subject.submission.main, NAME),
            "",
            "torch.set_default_dtype(torch.float64)",
            self.made,
            "embed, places, head, bias = map(torch.from_numpy, (embed, places, head, bias))",
            "",
            _MODEL,
            f"torch.manual_seed({self.seed})",
            f"model = Model().{'train' if self.train else 'eval'}()",
            f"idx = {prompt}",
            f"out = generate(model, idx, {self.max_new_tokens}, block_size={self.block_size}"
            f"{options})",
            *(lines or ("print(out)",)),
        ]
        return Counterexample("\n".join(code), show(expected), show(found))

    def _long_prompt(self) -> str:
        return f"torch.full({self.idx.shape}, {int(self.idx.flat[0])})"


def random_call(
    rng_seed: int, vocab_size: int, block_size: int, shape: tuple[int, int], new: int, **more: Any
) -> Call:
    """A call on a model whose next token hangs on all of its context."""
    rng = np.random.default_rng(rng_seed)
    script = Script(
        rng.normal(0.0, 1.0, (vocab_size, 8)),
        rng.normal(0.0, 1.0, (block_size, 8)),
        rng.normal(0.0, 2.0, (8, vocab_size)),
        np.zeros(vocab_size),
    )
    made = "\n".join(
        [
            f"rng = np.random.default_rng({rng_seed})",
            f"embed = rng.normal(0.0, 1.0, ({vocab_size}, 8))",
            f"places = rng.normal(0.0, 1.0, ({block_size}, 8))",
            f"head = rng.normal(0.0, 2.0, (8, {vocab_size}))",
            f"bias = np.zeros({vocab_size})",
        ]
    )
    idx = rng.integers(0, vocab_size, shape)
    return Call(script, made, idx, new, **more)


def constant_call(
    logits: list[float], rows: int, new: int, block_size: int = 4, **more: Any
) -> Call:
    """A call on a model that gives the same logits whatever it reads."""
    size = len(logits)
    bias = np.array(logits, dtype=np.float64)
    script = Script(np.zeros((size, 1)), np.zeros((block_size, 1)), np.zeros((1, size)), bias)
    made = "\n".join(
        [
            f"embed, places = np.zeros(({size}, 1)), np.zeros(({block_size}, 1))",
            f"head, bias = np.zeros((1, {size})), np.array({logits})",
        ]
    )
    return Call(script, made, np.zeros((rows, 1), dtype=np.int64), new, **more)
