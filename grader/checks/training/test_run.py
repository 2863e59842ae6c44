"""Requirements of `estimate_loss`, and of all six functions together on a text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from grader.checks.api import Failure, check
from grader.checks.evidence import Evidence
from grader.checks.training.common import TIME, VOCAB, a_float, trainee
from grader.oracle.training import Floats, Tokens, Trainee, losses, mean_loss
from grader.remote import CandidateError
from grader.remote.function import Returned, call
from grader.remote.training import State, Student, batches, run

PART = "Training"
NAME = "estimate_loss"


@dataclass(frozen=True)
class Estimate:
    """One call of estimate_loss."""

    rows: int
    count: int
    seed: int | None
    dropout_p: float = 0.0
    train: bool = True
    otherwise: tuple[str, ...] = ()
    stale: bool = False
    length: int = 60
    chance: int = 0

    def data(self) -> Tokens:
        """Token indices."""
        return np.random.default_rng(self.length).integers(0, VOCAB, self.length)

    def carry_out(self, evidence: Evidence) -> tuple[Returned, State, Trainee]:
        """What came back, and the model before and after."""
        model = trainee(20)
        stale = [np.full(p.shape, 0.5) for p in model.trained] if self.stale else []
        student = Student(
            evidence.subject,
            NAME,
            model.arrays,
            dropout_p=self.dropout_p,
            train=self.train,
            otherwise=self.otherwise,
            stale=stale,
        )
        given = {
            "model": student.itself,
            "data": self.data(),
            "batch_size": self.rows,
            "block_size": TIME,
            "num_batches": self.count,
            **({} if self.seed is None else {"seed": self.seed}),
        }
        returned = call(evidence.subject, NAME, given, self.chance)
        return returned, student.state(), model

    def losses(self, evidence: Evidence, model: Trainee) -> list[float]:
        """Of the batches that get_batch gives."""
        made = batches(
            evidence.subject, self.data(), self.rows, TIME, self.count, seed=self.seed or 0
        )
        found = []
        for pair in made.values:
            tensors = isinstance(pair, list | tuple) and [type(t) is np.ndarray for t in pair]
            if tensors != [True, True] or any(t.shape != (self.rows, TIME) for t in pair):
                raise Failure("get_batch gives no batches by which this could be judged")
            idx, targets = pair
            if any(t.dtype != np.int64 or t.min() < 0 or t.max() >= VOCAB for t in pair):
                raise Failure("get_batch gives other tokens than there are in the data")
            found.append(mean_loss(model.logits(idx), targets))
        return found


@check(
    "training.estimate",
    PART,
    4,
    hints=(
        "Whose loss is it, on which batches, and in which mode?",
        "Call it twice with one seed on a model with dropout: is the loss the same?",
        "A generator seeded with `seed` once; num_batches times get_batch with it; model.eval(); "
        "the mean of the losses, as a float.",
    ),
)
def test_estimate(evidence: Evidence) -> None:
    """It gives the mean loss over num_batches batches of the seed, in eval mode, as a float."""
    cases = (
        Estimate(3, 4, 5),
        Estimate(2, 3, 1, dropout_p=0.5),
        Estimate(2, 5, None, chance=9),
        Estimate(4, 1, 2, train=False),
    )
    for case in cases:
        returned, state, model = case.carry_out(evidence)
        found = a_float(returned.value, "the loss")
        each = case.losses(evidence, model)
        expected = float(np.mean(each))
        if abs(found - expected) < 1e-5 * (1 + expected):
            continue
        wrong = {
            "estimate-in-train-mode": math.nan,
            "estimate-summed": sum(each),
            "estimate-of-one-batch": min(each[0], each[-1], key=lambda loss: abs(loss - found)),
        }
        near = [n for n, w in wrong.items() if abs(found - w) < 1e-5 * (1 + abs(w))]
        if any(train for _, train, _ in state.calls):
            near = ["estimate-in-train-mode"]
        raise Failure(
            f"with num_batches={case.count} and seed={case.seed or 0}, the batches of get_batch "
            f"have losses {np.round(each, 4).tolist()}, mean {expected:.6f}; found {found:.6f}",
            cause=near[0] if near else _seed_cause(evidence, case, found),
        )


def _seed_cause(evidence: Evidence, case: Estimate, found: float) -> str:
    """Told from whether other seeds, or torch's own chance, make a difference."""
    other = Estimate(case.rows, case.count, (case.seed or 0) + 1, case.dropout_p, case.train)
    again = Estimate(
        case.rows, case.count, case.seed, case.dropout_p, case.train, chance=case.chance + 1
    )
    if again.carry_out(evidence)[0].value != found:
        return "estimate-seed-ignored"
    return "estimate-seed-ignored" if other.carry_out(evidence)[0].value == found else ""


_MIXED = ((True, ("noise", "mix")), (False, ("embed", "noise")), (True, ()), (False, ()))


@check(
    "training.estimate_leaves",
    PART,
    5,
    hints=(
        "What else has changed when your function returns?",
        "Compare before and after: [m.training for m in model.modules()], every p.grad, and "
        "torch.get_rng_state().",
        "No gradients, a generator of its own, eval mode; and afterwards each module's own "
        "training flag as it was.",
    ),
)
def test_estimate_leaves(evidence: Evidence) -> None:
    """Every module's mode, the gradients and torch's chance are left as found; none is recorded."""
    for train, otherwise in _MIXED:
        for stale in (True, False):
            case = Estimate(2, 2, 3, 0.5, train, otherwise, stale)
            returned, state, model = case.carry_out(evidence)
            a_float(returned.value, "the loss")
            if not returned.mode_kept:
                mixed = " with modules in both modes" if otherwise else ""
                raise Failure(
                    f"a model in {'train' if train else 'eval'} mode{mixed} is not as it was",
                    cause="modes-not-kept" if otherwise else "mode-not-kept",
                )
            if not returned.chance_kept:
                raise Failure("torch's own generator is not as it was", cause="chance-not-kept")
            if any(recorded for _, _, recorded in state.calls):
                raise Failure("gradients are recorded", cause="estimate-records-gradients")
            kept = [g is not None and bool((g == 0.5).all()) for g in state.gradients]
            if kept != [stale] * len(kept) or (
                not stale and any(g is not None for g in state.gradients)
            ):
                raise Failure("gradients are not as they were", cause="gradients-not-kept")
            pairs = zip(state.trained, model.trained, strict=True)
            if not all(np.array_equal(after, before) for after, before in pairs):
                raise Failure("parameters have changed", cause="parameters-changed")


# Held out: the last ones of the text.
_HELD_OUT = 513
_STEPS, _ROWS, _BLOCK = 200, 16, 8
_RUN = {
    "steps": _STEPS,
    "batch_size": _ROWS,
    "block_size": _BLOCK,
    "optimizer": {"learning_rate": 1e-2, "weight_decay": 0.1},
    "schedule": {
        "max_learning_rate": 1e-2,
        "min_learning_rate": 1e-3,
        "warmup_steps": 20,
        "total_steps": _STEPS,
    },
    "max_grad_norm": 100.0,
}
# Measured over seeds, on what is held out, in nats: right ones end between 2.3 and 2.85, a model
# that sees the next token at 0.5 to 0.9, gradients that pile up above 3.1, no training at 3.58.
LOWER, UPPER = 1.6, 2.95
_SIZE = {"embed_dim": 32, "num_heads": 2, "num_layers": 1, "block_size": _BLOCK}


@cache
def text() -> tuple[Tokens, Tokens, int]:
    """A text's characters as token indices: to train on, held out; and how many kinds there are.

    The beginning of Lewis Carroll's "Alice's Adventures in Wonderland" (1865), which belongs to
    everybody: a few kilobytes that no Python version words differently.
    """
    words = (Path(__file__).parent / "text.txt").read_text(encoding="utf-8").lower()
    kinds = sorted(set(words))
    tokens = np.array([kinds.index(character) for character in words], dtype=np.int64)
    return tokens[:-_HELD_OUT], tokens[-_HELD_OUT:], len(kinds)


@check(
    "training.run",
    PART,
    6,
    hints=(
        "Do the parts work together: does a model learn from a text with them?",
        "Train a small GPT2 on a text for 200 steps with your functions, and print the losses.",
        "It starts near ln(vocab_size) and has to fall. Below what is possible, the model sees the "
        "tokens that it has to guess: look at its mask, and at targets.",
    ),
)
def test_run(evidence: Evidence) -> None:
    """200 steps of your GPT2 on a small text end at a loss that training reaches, and no lower."""
    data, held_out, size = text()
    module = evidence.subject.build(
        "GPT2", kwargs={"vocab_size": size, **_SIZE}, dtype="float32", seed=evidence.seed
    )
    made = run(evidence.subject, module.itself, data, seed=evidence.seed, **_RUN)
    told = [a_float(loss, "the loss of a step") for loss in made.losses]
    _remark_on_first_loss(evidence, told[0], size)
    final = math.nan
    if len(told) == _STEPS:
        idx = held_out[:-1].reshape(-1, _BLOCK)
        final = _loss(module.call(idx), held_out)
        if final < LOWER:
            raise Failure(
                f"after {_STEPS} steps on a text, its next characters are guessed with a loss of "
                f"{final:.2f} nats: whoever sees only what comes before them is above {LOWER} by "
                "then. Your GPT2 sees what it has to guess",
                cause="sees-the-targets",
            )
    if final <= UPPER:
        return
    # Is it the model? With one that is known to learn, it is seen.
    reached = _with_the_judges_model(evidence, size)
    if not LOWER < reached <= UPPER:
        shown = final if math.isfinite(final) else reached
        raise Failure(
            f"after {_STEPS} steps on a text, its next characters are guessed with a loss of "
            f"{shown:.2f} nats; {UPPER} has to be reached, and a guess among {size} characters has "
            f"{math.log(size):.2f}",
            cause="does-not-learn",
        )
    slow = f"made {len(told)} of {_STEPS} steps in {made.seconds} seconds"
    why = slow if len(told) < _STEPS else f"only reached a loss of {final:.2f}"
    evidence.advise(
        "slow-to-learn",
        f"With a small model of the judge's your functions reach a loss of {reached:.2f} on a "
        f"text. Your GPT2 {why}: look at its initial weights and at what it costs.",
    )


def _remark_on_first_loss(evidence: Evidence, first: float, size: int) -> None:
    if abs(first - math.log(size)) > 0.7:
        evidence.advise(
            "first-loss",
            f"The first loss of your GPT2 on a text of {size} characters is {first:.2f}; knowing "
            f"nothing is ln({size}) = {math.log(size):.2f}. Its initial weights make it sure of "
            "what it does not know: GPT-2 draws them with a standard deviation of 0.02.",
        )


def _loss(logits: Floats, held_out: Tokens) -> float:
    each, _ = losses(logits.astype(np.float64), held_out[1:].reshape(logits.shape[:2]))
    return float(each.mean())


def _with_the_judges_model(evidence: Evidence, size: int) -> float:
    """The loss that it ends with, computed here from its parameters."""
    data, held_out, _ = text()
    rng = np.random.default_rng(evidence.seed)
    width = 24
    model = Trainee(
        rng.normal(0.0, 0.3, (size, width)),
        rng.normal(0.0, 0.1, (_BLOCK, width)),
        np.ones(width),
        rng.normal(0.0, width**-0.5, (width, width)),
        np.zeros(width),
        rng.normal(0.0, width**-0.5, (2, width, width)),
    )
    arrays = [array.astype(np.float32) for array in model.arrays]
    student = Student(evidence.subject, "train_step", arrays)
    made = run(evidence.subject, student.itself, data, seed=evidence.seed, **_RUN)
    if len(made.losses) < _STEPS:
        raise CandidateError(
            "timeout", f"only {len(made.losses)} of {_STEPS} steps in {made.seconds} seconds"
        )
    trained = student.state().trained
    if any(a.shape != b.shape for a, b in zip(trained, model.trained, strict=True)):
        raise Failure("after the steps, parameters have other shapes")
    after = model.updated([values.astype(np.float64) for values in trained])
    return _loss(after.logits(held_out[:-1].reshape(-1, _BLOCK)), held_out)
