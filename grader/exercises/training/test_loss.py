"""Requirements of `language_modeling_loss`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grader.check import Counterexample, Failure, check
from grader.exercises.training.client import differentiate
from grader.exercises.training.common import imports
from grader.exercises.training.forms import LOSSES
from grader.exercises.training.oracle import IGNORED, Floats, Tokens, loss_gradient, mean_loss
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import show
from grader.sandbox.client import CandidateError
from grader.sandbox.client.function import words
from grader.sandbox.client.worker import Values

PART = "Batches and loss"
NAME = "language_modeling_loss"
# Of the largest logit: float32 inside a submission included. Bugs are off by 1e-3 and more.
_TOLERANCE = 3e-6
_NO_TOKEN = 50  # from here on, in any vocabulary drawn


_OVERWRITES = "training.loss overwrites targets"


@dataclass(frozen=True)
class Case:
    """What Hypothesis draws. ignored: how many targets do not count; index: by which value, None
    for the default, one below _NO_TOKEN is brought into the vocabulary; scale: of the logits; draw:
    seeds the numbers.
    """

    rows: int
    time: int
    vocab: int
    draw: int
    scale: float = 2.0
    ignored: int = 0
    index: int | None = None
    dtype: str = "float64"

    @property
    def value(self) -> int:
        """What stands in targets that do not count."""
        if self.index is None:
            return IGNORED
        return self.index if self.index >= _NO_TOKEN else min(self.index, self.vocab - 1)

    @property
    def options(self) -> dict[str, int]:
        """As they are given."""
        return {} if self.index is None else {"ignore_index": self.value}

    def drawn(self) -> tuple[Floats, Tokens]:
        """Logits (B, T, V) and targets (B, T), of which at least one counts."""
        rng = np.random.default_rng(self.draw)
        logits = rng.normal(0.0, self.scale, (self.rows, self.time, self.vocab))
        targets = rng.integers(0, self.vocab, (self.rows, self.time))
        places = rng.permutation(targets.size)
        if self.value >= 0:  # a class like any other, which none of those that count has
            targets = np.where(targets == self.value, (targets + 1) % self.vocab, targets)
        targets.ravel()[places[: min(self.ignored, targets.size - 1)]] = self.value
        return logits, targets

    def code(self, evidence: Evidence, logits: Floats, targets: Tokens) -> list[str]:
        """Lines that call it."""
        options = "".join(f", {name}={value}" for name, value in self.options.items())
        if logits.any():
            drawn = f"np.random.default_rng({self.draw}).normal(0.0, {self.scale}, {logits.shape})"
        else:
            drawn = f"np.zeros({logits.shape})"
        return [
            *imports(evidence, NAME),
            f"logits = torch.from_numpy({drawn}).to(torch.{self.dtype}).requires_grad_()",
            f"targets = torch.tensor({targets.tolist()})",
            f"loss = language_modeling_loss(logits, targets{options})",
        ]


def _ask(evidence: Evidence, case: Case) -> tuple[float, Values | None, Floats, Tokens]:
    """The loss, checked to be a scalar, its gradient, and what it was asked for."""
    logits, targets = case.drawn()
    sent = logits.astype(case.dtype)
    value, gradient, kept = differentiate(evidence.subject, NAME, sent, targets, case.options)
    if value is None:
        raise Failure("expected a loss, found None", cause="not-implemented")
    if not kept:
        evidence.named.setdefault(_OVERWRITES, "mutates-input")
    if not isinstance(value, np.ndarray) or value.shape != ():
        raise Failure(
            f"expected a scalar, a tensor of shape (), found {words(value)}",
            cause="loss-not-a-scalar",
        )
    return float(value), gradient, sent.astype(np.float64), targets


def _compare(evidence: Evidence, case: Case, id: str, others: Sequence[Case]) -> None:
    """Fail unless the loss is right. others: cases by which a bug is told."""
    found, _, logits, targets = _ask(evidence, case)
    expected = mean_loss(logits, targets, case.value)
    if _near(found, expected, logits):
        return
    if id not in evidence.named:
        evidence.named[id] = _bug(evidence, others)
    cause = evidence.named[id]
    if not cause and not np.isfinite(found):
        cause = "loss-unstable"
    raise Failure(
        f"expected a loss of {expected:.6g}, found {found:.6g}",
        Counterexample(
            "\n".join([*case.code(evidence, logits, targets), "print(loss.item())"]),
            show(round(expected, 6)),
            show(round(found, 6)),
        ),
        cause,
        proven=cause in LOSSES,
    )


def _near(found: float, expected: float, logits: Floats) -> bool:
    return abs(found - expected) <= _TOLERANCE * (1.0 + float(np.abs(logits).max()))


def _bug(evidence: Evidence, cases: Sequence[Case]) -> str:
    """The bug with which the oracle gives just the submission's loss in all these cases."""
    left = [(name, wrong) for name, forms in LOSSES.items() for wrong in forms]
    shows = False
    for case in cases:
        try:
            found, _, logits, targets = _ask(evidence, case)
        except CandidateError:
            continue
        shows |= not _near(found, mean_loss(logits, targets, case.value), logits)
        left = [
            (name, wrong)
            for name, wrong in left
            if _near(found, wrong(logits, targets, case.value), logits)
        ]
    return left[0][0] if left and shows else ""


_PLAIN = [Case(2, 3, 5, 1), Case(3, 2, 4, 2)]
_WITH_IGNORED = [Case(3, 4, 5, 3, ignored=5), Case(2, 3, 4, 4, ignored=2, index=-7)]
_WITH_IGNORED += [Case(2, 4, 5, 5, ignored=3, index=1)]
_ABOVE = Case(2, 3, 5, 7, ignored=2, index=50)


@check(
    "training.loss",
    PART,
    7,
    hints=(
        "What does the model's distribution at one position say of the token that is there?",
        "Give it logits of zeros: the loss has to be ln(V), whatever the targets.",
        "Cross-entropy takes (B·T, V) logits, raw as they are, and (B·T,) targets; its mean is the "
        "loss.",
    ),
    examples=8,
)
@given(
    case=st.builds(
        Case,
        rows=st.integers(1, 3),
        time=st.integers(1, 4),
        vocab=st.integers(2, 6),
        draw=st.integers(0, 9999),
        scale=st.sampled_from((2.0, 0.0, 8.0)),
    )
)
def test_loss(evidence: Evidence, case: Case) -> None:
    """The loss is the mean cross-entropy in nats, a scalar; equal logits give ln(V)."""
    _compare(evidence, case, "training.loss", _PLAIN)


@check(
    "training.loss_ignore",
    PART,
    6,
    hints=(
        "Which targets count, and what is the sum divided by?",
        "Compare the loss of (2, 3) targets, one of them ignored, with the mean over the other "
        "five.",
        "Leave out targets that equal ignore_index, whichever it is, from sum and number alike.",
    ),
    examples=8,
)
@given(
    case=st.builds(
        Case,
        rows=st.integers(1, 3),
        time=st.integers(2, 4),
        vocab=st.integers(2, 6),
        draw=st.integers(0, 9999),
        ignored=st.integers(1, 6),
        index=st.sampled_from((None, -1, 0, 3, -12, 255)),
    )
)
def test_loss_ignore(evidence: Evidence, case: Case) -> None:
    """Targets that equal ignore_index count neither in the sum nor in what it is divided by."""
    _compare_ignoring(evidence, case)
    _compare_ignoring(evidence, _ABOVE)
    if _OVERWRITES in evidence.named:
        raise Failure(
            "the loss overwrites the targets, which are the caller's",
            cause=evidence.named[_OVERWRITES],
        )


def _compare_ignoring(evidence: Evidence, case: Case) -> None:
    try:
        _compare(evidence, case, "training.loss_ignore", [*_PLAIN, *_WITH_IGNORED])
    except CandidateError as fault:
        if fault.status != "error":
            raise
        raise Failure(
            f"with targets that equal ignore_index={case.value}, {fault.message}",
            Counterexample(
                "\n".join(case.code(evidence, *case.drawn())), "no error", fault.message
            ),
            _refusal(evidence, case),
        ) from None


def _refusal(evidence: Evidence, case: Case) -> str:
    """Why there is an error: whether other values of ignore_index are all right tells."""
    try:
        asked = [(other.value, _ask(evidence, other)) for other in _WITH_IGNORED]
    except CandidateError:
        return "ignore-index-without-effect"
    right = [_near(found, mean_loss(x, y, value), x) for value, (found, _, x, y) in asked]
    looked_up = all(right) and case.value >= case.vocab
    return "ignore-index-looked-up" if looked_up else "ignore-index-without-effect"


@check(
    "training.loss_stable",
    PART,
    3,
    hints=(
        "What is exp(1000)?",
        "Give it logits of some thousands: is the loss finite, and right?",
        "Take log_softmax, or subtract the largest logit, rather than the log of a softmax.",
    ),
)
def test_loss_stable(evidence: Evidence) -> None:
    """Large logits are no trouble, in float64 and in float32."""
    for scale, dtype in ((1e4, "float64"), (300.0, "float64"), (3e3, "float32"), (2.0, "float32")):
        case = Case(2, 3, 5, 6, scale=scale, dtype=dtype)
        found, gradient, logits, targets = _ask(evidence, case)
        expected = mean_loss(logits, targets)
        finite = gradient is None or np.isfinite(gradient).all()
        if finite and _near(found, expected, logits):
            continue
        what = "" if finite else ", and gradients that are not finite"
        raise Failure(
            f"with logits of about {scale:g} in {dtype}, expected a loss of {expected:.6g}, found "
            f"{found:.6g}{what}",
            Counterexample(
                "\n".join([*case.code(evidence, logits, targets), "print(loss.item())"]),
                show(round(expected, 4)),
                show(round(found, 4)),
            ),
            _bug(evidence, _PLAIN) or "loss-unstable",
        )


@check(
    "training.loss_gradient",
    PART,
    2,
    hints=(
        "Can a model learn from this loss?",
        "Call loss.backward() and print logits.grad.",
        "Compute the loss with torch's functions alone: no item(), no detach(), no torch.tensor.",
    ),
)
def test_loss_gradient(evidence: Evidence) -> None:
    """The gradient with regard to the logits is the right one."""
    for case in (_PLAIN[0], _WITH_IGNORED[0], _WITH_IGNORED[2]):
        _, gradient, logits, targets = _ask(evidence, case)
        counted = int((targets != case.value).sum())
        expected = loss_gradient(logits, targets, case.value) / counted
        right = gradient is not None and gradient.shape == expected.shape
        if right and gradient is not None and np.abs(gradient - expected).max() < 1e-5:
            continue
        absent = gradient is None
        raise Failure(
            "no gradient comes back to the logits" if absent else "the gradient is wrong",
            Counterexample(
                "\n".join(
                    [
                        *case.code(evidence, logits, targets),
                        "loss.backward()",
                        "print(logits.grad[0])",
                    ]
                ),
                show(expected[0]),
                "no gradient" if gradient is None else show(gradient[0]),
            ),
            "loss-without-gradient" if absent else _bug(evidence, [*_PLAIN, *_WITH_IGNORED]),
        )
