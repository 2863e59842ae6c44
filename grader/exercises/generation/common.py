"""A call of `generate` on a scripted model, and the code that makes the same call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from grader.check import Counterexample
from grader.exercises.generation.oracle import DECAY, Floats, Script, Tokens, greedy
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import import_line, show
from grader.sandbox.client.function import Generator, Returned, Scripted, call, expect_tokens

NAME = "generate"
PROMPT_CHANGED = "a call of generate that changes idx"

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
    """One call. script: the model; made: Python that makes `embed`, `places`, `head`, `bias`;
    dtype: of the model, and torch's default.
    """

    script: Script
    made: str
    idx: Tokens
    max_new_tokens: int
    options: dict[str, Any] = field(default_factory=dict)
    train: bool = False
    seed: int = 0
    dtype: str = "float64"
    traces: Floats | None = None  # (2, 2, V): see `used`

    def used(self, train: bool, recording: bool) -> Script:
        """The model as it is in train mode or not, with gradients recorded or not."""
        if self.traces is None:
            return self.script
        trace = self.traces[int(train), int(recording)]
        return replace(self.script, bias=self.script.bias + trace)

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
        """What the submission gives, checked to be token indices. The rest as of `call`.

        A call that changes its prompts is kept as what is measured of PROMPT_CHANGED.
        """
        traces = () if self.traces is None else (self.traces,)
        arrays = tuple(values.astype(self.dtype) for values in (*self.script.arrays, *traces))
        given: dict[str, Any] = {
            "model": Scripted(arrays, DECAY, self.train),
            "idx": self.idx,
            "max_new_tokens": self.max_new_tokens,
            "block_size": self.block_size,
            **self.options,
        }
        seed = self.seed if seed is None else seed
        found = call(
            evidence.subject, NAME, given, seed, dtype=self.dtype, watch=watch, recording=recording
        )
        expect_tokens(found.output, NAME)
        if not np.array_equal(found.after["idx"], self.idx):
            evidence.measured.setdefault(PROMPT_CHANGED, self)
        return found

    def counterexample(
        self,
        evidence: Evidence,
        expected: object,
        found: object,
        *lines: str,
        before: Sequence[str] = (),
    ) -> Counterexample:
        """The call as code, with what it should show and what it shows. before: lines above."""
        code = (*before, *self._calling(), *(lines or ("print(out)",)))
        return Counterexample(self._code(evidence, code), show(expected), show(found))

    def twice(
        self,
        evidence: Evidence,
        expected: str,
        more: tuple[str, str],
        seeds: tuple[int, int],
        *before: str,
    ) -> Counterexample:
        """Whether two calls give the same tokens, as code. more: arguments of each; seeds: of
        torch's own chance before each; before: lines above both.
        """
        names = "first", "second"
        calls = (
            line
            for name, argument, seed in zip(names, more, seeds, strict=True)
            for line in replace(self, seed=seed)._calling(name, argument)
        )
        lines = [*before, *calls, "print(torch.equal(first, second))"]
        found = {"True": "False", "False": "True"}[expected]
        return Counterexample(self._code(evidence, lines), expected, found)

    def changed_prompt(self, evidence: Evidence) -> Counterexample:
        """Whether the prompts are afterwards as they were, as code."""
        lines = ("before = idx.clone()", *self._calling(), "print(torch.equal(idx, before))")
        return Counterexample(self._code(evidence, lines), "True", "False")

    def _calling(self, name: str = "out", more: str = "") -> tuple[str, ...]:
        """Lines that make the call, with more arguments, and give what comes back a name."""
        options = "".join(f", {key}={_written(value)}" for key, value in self.options.items())
        return (
            f"torch.manual_seed({self.seed})",
            f"{name} = generate(model, idx, {self.max_new_tokens}, block_size={self.block_size}"
            f"{options}{more})",
        )

    def _code(self, evidence: Evidence, lines: Sequence[str]) -> str:
        """Lines below what makes `model` and `idx`."""
        single = ".float()" if self.dtype == "float32" else ""
        return "\n".join(
            [
                "import numpy as np",
                "import torch",
                import_line(evidence.subject.submission.main, NAME),
                "",
                f"torch.set_default_dtype(torch.{self.dtype})",
                self.made,
                "embed, places, head, bias = (",
                f"    torch.from_numpy(values){single} for values in (embed, places, head, bias)",
                ")",
                "",
                _MODEL,
                f"model = Model().{'train' if self.train else 'eval'}()",
                f"idx = {self._prompt()}",
                *lines,
            ]
        )

    def _prompt(self) -> str:
        if self.idx.size < 60:
            return f"torch.tensor({self.idx.tolist()})"
        # One prompt, or a few in turn, for many rows.
        few = next(n for n in range(1, len(self.idx) + 1) if self._recurs(n))
        return f"torch.tensor({self.idx[:few].tolist()}).repeat({len(self.idx) // few}, 1)"

    def _recurs(self, few: int) -> bool:
        times, left = divmod(len(self.idx), few)
        return not left and np.array_equal(np.tile(self.idx[:few], (times, 1)), self.idx)


def _written(value: object) -> str:
    if isinstance(value, Generator):
        return f"torch.Generator().manual_seed({value.seed})"
    return str(value)


def most_probable(made: Call) -> Tokens:
    """The most probable tokens, one after the other."""
    eos = made.options.get("eos_token_id")
    return greedy(made.script, made.idx, made.max_new_tokens, made.block_size, eos)


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
