"""A text that is read in pieces, and the code that reads the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from hypothesis import strategies as st

from grader.check import Counterexample, Failure
from grader.exercises.kv_cache.client import CachedModel, Piece, build
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import import_line, show
from grader.gpt2.layouts.box import CLOSE, difference
from grader.gpt2.models import Size
from grader.gpt2.oracle import Integers
from grader.sandbox.client import CandidateError, WorkerLost
from grader.sandbox.client.module import Floats
from grader.sandbox.client.worker import Values

NAME = "CachedGPT2"
ZERO = "0.0, or what rounding leaves"
SIZES: tuple[Size, ...] = (
    {"vocab_size": 11, "embed_dim": 6, "num_heads": 2, "num_layers": 2, "block_size": 8},
    {"vocab_size": 7, "embed_dim": 12, "num_heads": 3, "num_layers": 1, "block_size": 5},
    {"vocab_size": 13, "embed_dim": 8, "num_heads": 4, "num_layers": 3, "block_size": 12},
)
_Given = TypeVar("_Given")
_MODELS: WeakKeyDictionary[Evidence, dict[str, CachedModel]] = WeakKeyDictionary()


def model(
    evidence: Evidence, size: Size, *, dropout_p: float | None = None, **options: Any
) -> CachedModel:
    """A model of this size, kept for the next time. options: of `build`."""
    known = _MODELS.setdefault(evidence, {})
    key = repr((sorted(size.items()), dropout_p, sorted(options.items())))
    current = evidence.subject.held("").worker
    if key not in known or not known[key].alive or known[key].itself.worker is not current:
        dropping = {} if dropout_p is None else {"dropout_p": dropout_p}
        known[key] = build(evidence.subject, NAME, {**size, **dropping}, **options)
    return known[key]


@dataclass(frozen=True)
class Text:
    """What Hypothesis draws: texts of a batch, and the lengths of the pieces they are cut into;
    `draw` seeds weights and tokens.
    """

    size: Size
    batch: int
    cuts: tuple[int, ...]
    weights: float
    draw: int

    def drawn(self, made: CachedModel) -> tuple[Floats, Integers]:
        """The model's parameters and the tokens (B, T)."""
        rng = np.random.default_rng(self.draw)
        theta = made.random(rng, self.weights)
        shape = (self.batch, sum(self.cuts))
        return theta, rng.integers(0, self.size["vocab_size"], shape)

    def code(self, *lines: str, dropout_p: float | None = None, train: bool = False) -> str:
        """Code that makes `model` and `idx`, followed by these lines."""
        given = self.size if dropout_p is None else {**self.size, "dropout_p": dropout_p}
        arguments = ", ".join(f"{key}={value}" for key, value in given.items())
        return "\n".join(
            [
                "import numpy as np",
                "import torch",
                import_line("kv_cache.py", NAME),
                "",
                "torch.set_default_dtype(torch.float64)",
                "torch.set_grad_enabled(False)",
                f"model = {NAME}({arguments}).{'train' if train else 'eval'}()",
                f"rng = np.random.default_rng({self.draw})",
                "for p in model.parameters():",
                f"    values = torch.from_numpy(rng.normal(0.0, {self.weights}, p.shape))",
                "    if p.requires_grad:",
                "        p.data.copy_(values)",
                f"shape = {(self.batch, sum(self.cuts))}",
                f"idx = torch.from_numpy(rng.integers(0, {self.size['vocab_size']}, shape))",
                *lines,
            ]
        )

    def counterexample(
        self,
        expected: object,
        found: object,
        *lines: str,
        dropout_p: float | None = None,
        train: bool = False,
    ) -> Counterexample:
        """The text as code, with what it should show and what it shows."""
        code = self.code(*lines, dropout_p=dropout_p, train=train)
        return Counterexample(code, show(expected), show(found))

    def in_pieces(self, found: object, row: int | None = None) -> Counterexample:
        """How far pieces are from the whole, as code; of one row only, from that row alone."""
        alone = f"[{row} : {row} + 1]" if row is not None else ""
        lines = reading(self.cuts)
        if row is not None:
            lines += [f"together, idx = found{alone}, idx{alone}", *reading(self.cuts)]
        other = "model(idx)[0]" if row is None else "together"
        return self.counterexample(ZERO, found, *lines, f"print((found - {other}).abs().max())")

    def read_whole(self, found: object) -> Counterexample:
        """The shape of the logits of the whole text, as code."""
        shape = (self.batch, sum(self.cuts), self.size["vocab_size"])
        return self.counterexample(shape, found, "print(tuple(model(idx)[0].shape))")


def reading(cuts: Sequence[int]) -> list[str]:
    """Code that reads `idx` in pieces; `found` is all logits."""
    return [
        "cache, found = None, []",
        f"for piece in idx.split({list(cuts)}, dim=1):",
        "    logits, cache = model(piece, cache)",
        "    found.append(logits)",
        "found = torch.cat(found, dim=1)",
    ]


def texts(
    cuts: st.SearchStrategy[tuple[int, ...]], batches: tuple[int, int] = (1, 3)
) -> st.SearchStrategy[Text]:
    """Texts cut as said, as far as they fit a model's block_size."""

    def fitted(size: Size, batch: int, cut: tuple[int, ...], weights: float, draw: int) -> Text:
        left, kept = size["block_size"], []
        for length in cut:
            kept.append(min(length, left))
            left -= kept[-1]
        return Text(size, batch, tuple(n for n in kept if n), weights, draw)

    return st.builds(
        fitted,
        size=st.sampled_from(SIZES),
        batch=st.integers(*batches),
        cut=cuts,
        weights=st.sampled_from((0.5, 1.0)),
        draw=st.integers(0, 9999),
    )


def chain(idx: Integers, cuts: Sequence[int], name: str = "a") -> list[Piece]:
    """The pieces of a text, each going on from the cache of the one before; caches are kept as
    name0, name1 and so on.
    """
    ends = np.cumsum(cuts)
    return [
        Piece(idx[:, end - cut : end], None if not n else f"{name}{n - 1}", f"{name}{n}")
        for n, (cut, end) in enumerate(zip(cuts, ends, strict=True))
    ]


def asked(
    evidence: Evidence,
    ask: Callable[[], _Given],
    what: str,
    counterexample: Counterexample,
    control: bool = True,
) -> _Given:
    """What the submission answers; an error on the way is told with what was asked of it."""
    try:
        return ask()
    except CandidateError as fault:
        if fault.status in ("error", "fail"):
            raised = fault.message.removeprefix("it raised ")
            shown = replace(counterexample, found=raised) if fault.status == "error" else None
            cause = cause_of(fault)
            if control and cause == "crashes" and remembers(evidence):
                cause = "cache-in-module"
            message, shown = f"{what}: {fault.message}", shown or counterexample
            raise Failure(message, shown, cause, traceback=fault.traceback) from None
        raise


def remembers(evidence: Evidence) -> bool:
    """Whether, in a new process, a text without a cache gets its logits once, and not twice."""
    if "remembers" not in evidence.measured:
        evidence.subject.enter("alone")
        size = SIZES[0]
        idx = np.arange(3)[None] % size["vocab_size"]
        first = None
        try:
            made = build(evidence.subject, NAME, dict(size))
            first = made.call(idx)
            again = made.call(idx)
            evidence.measured["remembers"] = not same(first, again)
        except CandidateError:
            evidence.measured["remembers"] = first is not None
        except WorkerLost:
            evidence.measured["remembers"] = False
    found: bool = evidence.measured["remembers"]
    return found


def asked_to_read(
    evidence: Evidence,
    ask: Callable[[], _Given],
    made: CachedModel,
    text: Text,
    what: str,
    counterexample: Counterexample,
) -> _Given:
    """The same where all of a text is read: one that is as long as may be is not to be refused."""
    try:
        return asked(evidence, ask, what, counterexample, control=False)
    except Failure as failure:
        if failure.cause == "crashes" and _refused_when_full(made, text, failure.message):
            raise Failure(failure.message, failure.counterexample, "limit-too-low") from None
        if failure.cause == "crashes" and remembers(evidence):
            raise Failure(failure.message, failure.counterexample, "cache-in-module") from None
        raise


def _refused_when_full(made: CachedModel, text: Text, message: str) -> bool:
    """Whether a ValueError came for block_size tokens, and none comes for one token less."""
    if "ValueError" not in message or sum(text.cuts) != text.size["block_size"]:
        return False
    *cuts, last = text.cuts
    cuts += [last - 1] * (last > 1)
    idx = np.zeros((text.batch, sum(cuts)), dtype=np.int64)
    try:
        made.steps(chain(idx, cuts))
    except CandidateError:
        return False
    return True


def cause_of(fault: CandidateError) -> str:
    """The slug of a fault; what torch says of dtypes is told apart from other errors."""
    mixed = "dtype" in fault.message.lower() or "scalar type" in fault.message
    return "wrong-dtype" if fault.cause == "crashes" and mixed else fault.cause


def whole(
    evidence: Evidence, made: CachedModel, theta: Floats, text: Text, idx: Integers
) -> Values:
    """The logits of the whole text at once."""
    shown = text.read_whole("an error")
    what = "a whole text without a cache"
    return asked_to_read(evidence, lambda: made.call(idx, theta), made, text, what, shown)


def same(found: Values, wanted: Values) -> bool:
    """Whether logits are equal but for rounding."""
    return difference(found, wanted) < CLOSE
