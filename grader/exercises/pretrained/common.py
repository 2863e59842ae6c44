"""A drawn checkpoint, what the submission makes of it, and the code that does the same."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from grader.check import Counterexample, Failure, NotRun
from grader.exercises.pretrained.client import Loading, load
from grader.exercises.pretrained.oracle import Variables, shapes
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import import_line, show, worst
from grader.gpt2.layouts.box import CLOSE, difference
from grader.gpt2.models import Size
from grader.gpt2.oracle import Floats, Integers
from grader.sandbox.client import CandidateError, Module
from grader.sandbox.client.exchange import RemoteRef

NAME = "load_openai_weights"
MODEL = "GPT2"
BEFORE = 3.0  # what all weights are before, so that one that is not loaded shows by its value
# What feeds the residual stream is drawn large: next to it no small eps matters, whichever it is.
_LARGE = {"wte": 1000.0, "wpe": 1000.0, "c_proj/b": 1000.0, "c_proj/w": 300.0}
_PLAIN = 0.5
# Right ones stay below 1e-6 in either dtype; the faintest wrong ones, rounded to float16, are above
# 1e-4.
CLOSE_IN = {"float64": CLOSE, "float32": 5e-5}
_DTYPE = "pretrained.dtype"


@dataclass(frozen=True)
class Case:
    """A size, and `draw`, which seeds the variables and the tokens."""

    size: dict[str, int]
    draw: int

    def drawn(self) -> tuple[Variables, Integers]:
        """The variables, in an order that means nothing, and tokens: all of them, in all places."""
        rng = np.random.default_rng(self.draw)
        wanted = shapes(self.size)
        variables: Variables = {}
        for name in map(str, rng.permutation(list(wanted))):
            scale = next((s for end, s in _LARGE.items() if name.endswith(end)), _PLAIN)
            variables[name] = rng.normal(0.0, scale, wanted[name]).astype(np.float32)
        length, tokens = self.size["block_size"], self.size["vocab_size"]
        rows = -(-tokens // length)
        return variables, rng.permutation(rows * length).reshape(rows, length) % tokens

    def code(self, evidence: Evidence, *lines: str) -> str:
        """Code that makes a model and the variables, followed by these lines."""
        length, tokens = self.size["block_size"], self.size["vocab_size"]
        rows = -(-tokens // length)
        arguments = ", ".join(f"{key}={value}" for key, value in self.size.items())
        return "\n".join(
            [
                "import numpy as np",
                "import torch",
                import_line("gpt2.py", MODEL),
                import_line(evidence.subject.submission.main, NAME),
                "",
                "torch.set_default_dtype(torch.float64)",
                f"model = {MODEL}({arguments}).eval()",
                f"C, V, T = {self.size['embed_dim']}, {tokens}, {length}",
                "shapes = {'model/wte': (V, C), 'model/wpe': (T, C)}",
                f"for i in range({self.size['num_layers']}):",
                "    h = f'model/h{i}/'",
                "    shapes |= {h + 'ln_1/g': (C,), h + 'ln_1/b': (C,)}",
                "    shapes |= {h + 'attn/c_attn/w': (1, C, 3 * C), h + 'attn/c_attn/b': (3 * C,)}",
                "    shapes |= {h + 'attn/c_proj/w': (1, C, C), h + 'attn/c_proj/b': (C,)}",
                "    shapes |= {h + 'ln_2/g': (C,), h + 'ln_2/b': (C,)}",
                "    shapes |= {h + 'mlp/c_fc/w': (1, C, 4 * C), h + 'mlp/c_fc/b': (4 * C,)}",
                "    shapes |= {h + 'mlp/c_proj/w': (1, 4 * C, C), h + 'mlp/c_proj/b': (C,)}",
                "shapes |= {'model/ln_f/g': (C,), 'model/ln_f/b': (C,)}",
                f"rng = np.random.default_rng({self.draw})",
                "variables = {}",
                "for name in map(str, rng.permutation(list(shapes))):",
                f"    large = {_LARGE}",
                f"    scale = next((s for e, s in large.items() if name.endswith(e)), {_PLAIN})",
                "    values = rng.normal(0.0, scale, shapes[name]).astype(np.float32)",
                "    variables[name] = torch.from_numpy(values)",
                f"idx = torch.from_numpy(rng.permutation({rows} * T).reshape({rows}, T) % V)",
                *lines,
            ]
        )


def size_of(vocab_size: int, heads: int, head_dim: int, num_layers: int, block: int) -> Size:
    """The size of such a model."""
    return {
        "vocab_size": vocab_size,
        "embed_dim": heads * head_dim,
        "num_heads": heads,
        "num_layers": num_layers,
        "block_size": block,
    }


def sizes(layers: st.SearchStrategy[int]) -> st.SearchStrategy[Size]:
    """Sizes with so many blocks."""

    return st.builds(
        size_of,
        heads=st.integers(1, 4),
        head_dim=st.integers(3, 6),
        num_layers=layers,
        vocab_size=st.integers(4, 20),
        block=st.integers(2, 9),
    )


def cases(layers: st.SearchStrategy[int]) -> st.SearchStrategy[Case]:
    """Checkpoints with so many blocks."""
    return st.builds(Case, size=sizes(layers), draw=st.integers(0, 9999))


def fresh(evidence: Evidence, size: Size, **options: object) -> Module:
    """A model that nothing was ever loaded into, float64 if not told otherwise."""
    options = {"dtype": dtype(evidence), **options}
    return evidence.models.module(MODEL, size, seed=next(evidence.numbers), **options)


def dtype(evidence: Evidence) -> str:
    """Of the models to judge by: float64, or float32 where no other survives the loading.

    What does not keep the dtype fails a check of its own, and no other for that.
    """
    if _DTYPE not in evidence.named:
        evidence.named[_DTYPE] = "float64"
        case = Case(size_of(4, 2, 2, 1, 2), 0)
        with suppress(CandidateError):
            module = fresh(evidence, case.size)
            if not load(evidence.subject, NAME, module, case.drawn()[0]).dtypes_kept:
                evidence.named[_DTYPE] = "float32"
    return evidence.named[_DTYPE]


def equal(evidence: Evidence, found: Floats, wanted: Floats) -> bool:
    """Whether logits are equal, as far as the models' dtype can tell."""
    return difference(found, wanted) < CLOSE_IN[dtype(evidence)]


def loaded(
    evidence: Evidence,
    module: Module,
    variables: Variables | RemoteRef,
    filled: float | None = None,
) -> Loading:
    """What became of loading right variables into a model. Raises Failure if they are refused.

    variables: or those of another loading, given again.
    """
    loading = load(evidence.subject, NAME, module, variables, filled)
    if loading.refused is not None:
        raise Failure(
            "the variables are those that the brief lists for this model, and yet it raised "
            f"ValueError: {loading.refused}",
            cause="right-variables-refused",
        )
    return loading


def arrived(evidence: Evidence, module: Module, variables: Variables) -> Loading:
    """The same, for what can only be said of a model that something was loaded into."""
    loading = loaded(evidence, module, variables)
    after = evidence.subject.adopt(module.itself, MODEL, module.dtype.name)
    if np.array_equal(after.initial, module.initial):
        raise NotRun("the model has the weights that it had: nothing was loaded")
    return loading


def expect_logits(
    evidence: Evidence, case: Case, found: Floats, wanted: Floats, when: str, *lines: str
) -> None:
    """Fail unless what the model gives is, to the last bit, what it gave."""
    if found.shape == wanted.shape and (found == wanted).all():
        return
    place = worst(found - wanted)
    index = ", ".join(map(str, place))
    raise Failure(
        f"{when}, the model's logits are no longer what they were",
        Counterexample(
            case.code(
                evidence,
                *(["model.float()"] if found.dtype == np.float32 else []),
                "load_openai_weights(model, variables)",
                "before = model(idx).detach()",
                *lines,
                f"print((model(idx) - before)[{index}].item())",
            ),
            show(0.0),
            show((found - wanted)[place]),
        ),
        "memory-shared",
    )
