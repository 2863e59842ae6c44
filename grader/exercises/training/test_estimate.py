"""Requirements of `estimate_loss`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from grader.check import Failure, NotRun, check
from grader.exercises.training.client import RemoteToyModel, State, batches
from grader.exercises.training.common import TIME, VOCAB, a_float, trainee
from grader.exercises.training.oracle import Tokens, ToyModel, mean_loss
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts.box import CLOSE, difference
from grader.sandbox.client import CandidateError
from grader.sandbox.client.function import Returned, call
from grader.sandbox.client.worker import Values

PART = "Training"
_MODULES = ("", "embed", "mix", "noise", "noise.0", "head")  # of the model
_LEARNING = (True,) * 5 + (False,)  # which of its parameters are trained
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
    traces: Values | None = None

    def data(self) -> Tokens:
        """Token indices."""
        return np.random.default_rng(self.length).integers(0, VOCAB, self.length)

    def carry_out(
        self, evidence: Evidence, recording: bool = True
    ) -> tuple[Returned, State, ToyModel]:
        """What came back, and the model before and after."""
        model = trainee(20)
        stale = [np.full(p.shape, 0.5) for p in model.trained] if self.stale else []
        student = RemoteToyModel(
            evidence.subject,
            NAME,
            model.arrays,
            dropout_p=self.dropout_p,
            train=self.train,
            otherwise=self.otherwise,
            stale=stale,
            traces=self.traces,
        )
        given = {
            "model": student.itself,
            "data": self.data(),
            "batch_size": self.rows,
            "block_size": TIME,
            "num_batches": self.count,
            **({} if self.seed is None else {"seed": self.seed}),
        }
        returned = call(evidence.subject, NAME, given, self.chance, recording=recording)
        left = None if self.traces is None else student.left(self.data()[None, :1])
        return returned, replace(student.state(), left=left), model

    def expect_left(self, state: State, model: ToyModel) -> None:
        """Fail unless the model's logits are those of one in the state in which it was given."""
        assert self.traces is not None
        assert state.left is not None
        modes = [self.train != (name in self.otherwise) for name in _MODULES]
        dropping = modes[_MODULES.index("noise.0")]
        facts = [True, dropping, *modes, *_LEARNING, *[self.stale] * len(model.trained)]
        told = sum(trace[int(holds)] for trace, holds in zip(self.traces, facts, strict=True))
        if difference(state.left, model.logits(self.data()[None, :1]) + told) > CLOSE:
            raise Failure(
                "the model is not in the state in which it was given: the modes of its modules, "
                "what is trained, gradients, or whether torch records them",
                cause="modes-not-kept",
            )

    def losses(self, evidence: Evidence, model: ToyModel) -> list[float]:
        """Of the batches that get_batch gives."""
        made = batches(
            evidence.subject, self.data(), self.rows, TIME, self.count, seed=self.seed or 0
        )
        found = []
        for pair in made.values:
            tensors = isinstance(pair, list | tuple) and [type(t) is np.ndarray for t in pair]
            if tensors != [True, True] or any(t.shape != (self.rows, TIME) for t in pair):
                raise Failure("cannot be checked: get_batch gives no batches")
            idx, targets = pair
            if any(t.dtype != np.int64 or t.min() < 0 or t.max() >= VOCAB for t in pair):
                raise Failure("get_batch gives other tokens than there are in the data")
            logits = model.logits(idx)
            if self.traces is not None:
                logits = logits + self.traces[0, 0] + self.traces[1, 0]  # neither of the two
            found.append(mean_loss(logits, targets))
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
        if any(made.train for made in state.calls):
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


_MIXED = (
    (True, ()),
    (False, ()),
    (True, ("noise", "mix")),
    (False, ("embed", "noise")),
    (True, ("noise.0",)),
)


def _expect_trainable(evidence: Evidence) -> None:
    """Fail if the candidate's own GPT2 can be trained, and after an estimate no more."""
    idx = np.random.default_rng(1).integers(0, VOCAB, (2, TIME))
    size = {"vocab_size": VOCAB, "embed_dim": 4, "num_heads": 1, "num_layers": 1}
    given = {"learning_rate": 0.01, "weight_decay": 0.0}
    settings = {"batch_size": 2, "block_size": TIME, "num_batches": 1}
    data = Estimate(2, 1, 3).data()
    for estimated in (True, False):
        try:
            model = evidence.models.module(
                "GPT2", {**size, "block_size": TIME}, dtype="float32", seed=next(evidence.numbers)
            ).itself
            if estimated:
                call(evidence.subject, NAME, {"model": model, "data": data, **settings})
            call(evidence.subject, "train", {}, on=model)
            made = call(
                evidence.subject, "configure_optimizer", {"model": model, **given}, keep=True
            )
            pairs = {"micro_batches": [(idx, idx)]}
            call(evidence.subject, "train_step", {"model": model, "optimizer": made.held, **pairs})
        except (CandidateError, NotRun) as fault:
            if not estimated or "nference" not in str(fault):
                return  # something else is wrong, and other checks say so
            found = str(fault)
        else:
            if estimated:
                return
    raise Failure(
        f"after it, no step of your own GPT2 can be made: {found}. What your GPT2 keeps from its "
        "first call was made in inference mode; torch.no_grad() leaves no such tensors",
        cause="inference-tensors-left",
    )


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
    returned, *_ = Estimate(2, 2, 3).carry_out(evidence, recording=False)
    if not returned.recording_kept:
        raise Failure(
            "called under torch.no_grad(), it ends with gradients being recorded",
            cause="recording-not-kept",
        )
    for train, otherwise in _MIXED:
        for stale in (True, False):
            case = Estimate(2, 2, 3, 0.5, train, otherwise, stale, traces=_traces(evidence))
            returned, state, model = case.carry_out(evidence)
            found = a_float(returned.value, "the loss")
            if not returned.train_mode_unchanged:
                mixed = " with modules in both modes" if otherwise else ""
                raise Failure(
                    f"a model in {'train' if train else 'eval'} mode{mixed} is not as it was",
                    cause="modes-not-kept" if otherwise else "mode-not-kept",
                )
            if not returned.rng_unchanged:
                raise Failure("torch's own generator is not as it was", cause="chance-not-kept")
            if not returned.recording_kept:
                raise Failure("torch no longer records gradients", cause="recording-not-kept")
            if any(made.recorded for made in state.calls):
                raise Failure("gradients are recorded", cause="estimate-records-gradients")
            if not state.same:
                raise Failure(
                    "the model has other parameters than before, with the same values perhaps: an "
                    "optimizer that was made before never sees them",
                    cause="parameters-replaced",
                )
            if state.learning != [True] * len(state.trained) + [False]:
                raise Failure(
                    "parameters' requires_grad is not as it was: some that were frozen are "
                    "trained now, or some that were trained are frozen",
                    cause="requires-grad-not-kept",
                )
            kept = [g is not None and bool((g == 0.5).all()) for g in state.gradients]
            if kept != [stale] * len(kept) or (
                not stale and any(g is not None for g in state.gradients)
            ):
                raise Failure("gradients are not as they were", cause="gradients-not-kept")
            pairs = zip(state.trained, model.trained, strict=True)
            if not all(np.array_equal(after, before) for after, before in pairs):
                raise Failure("parameters have changed", cause="parameters-changed")
            case.expect_left(state, model)
            _expect_use(evidence, case, model, found)
    _expect_trainable(evidence)


def _traces(evidence: Evidence) -> Values:
    """Two numbers drawn for each token and each thing that logits tell."""
    facts = 2 + len(_MODULES) + len(_LEARNING) + sum(_LEARNING)
    return np.random.default_rng((evidence.seed, 21)).normal(0.0, 2.0, (facts, 2, VOCAB))


def _expect_use(evidence: Evidence, case: Estimate, model: ToyModel, found: float) -> None:
    """Fail if the loss is that of a model whose calls are recorded, or in train mode; but not if
    another model's loss is wrong, too, which is told elsewhere.
    """
    expected = float(np.mean(case.losses(evidence, model)))
    if abs(found - expected) < 1e-5 * (1 + expected):
        return
    plain = replace(case, traces=None)
    returned, _, model = plain.carry_out(evidence)
    right = float(np.mean(plain.losses(evidence, model)))
    if abs(a_float(returned.value, "the loss") - right) < 1e-5 * (1 + right):
        words = "the model is called in train mode, or while gradients are recorded"
        raise Failure(words, cause="estimate-records-gradients")
