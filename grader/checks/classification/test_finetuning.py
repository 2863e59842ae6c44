"""Requirements of finetune_step, judged on the candidate's own classifier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grader.checks.api import Failure, check
from grader.checks.classification.common import (
    NAME,
    OTHER,
    SMALL,
    STEP,
    Rig,
    Setting,
    laid_out,
    rigs,
    tensor,
)
from grader.checks.classification.test_backbone import expect_frozen
from grader.checks.evidence import Evidence
from grader.oracle.classification import Floats, Tokens, cross_entropy, loss_weights
from grader.oracle.classification_forms import (
    CLIPPED,
    GRADIENTS,
    LOSSES,
    softmax_first,
)
from grader.oracle.layouts.box import difference
from grader.remote import CandidateError
from grader.remote.classification import Pair, read
from grader.remote.function import call, words

PART = "Fine-tuning"
_RATE = 0.25
_SAME = 1e-5  # of the largest value; torch's clipping adds 1e-6 to the norm
_STALE = 0.5
_STEPS, _ROWS, _TOY_RATE = 40, 24, 0.02
_LEARNED = 0.5  # of the loss is left at most
TOY = Setting({**OTHER.size, "embed_dim": 8, "num_heads": 2}, 3)


@dataclass(frozen=True)
class Step:
    """One finetune_step with SGD: what it did and what it should have done.

    draw, labels, pair: what it was asked; gradient: of the mean cross-entropy, all parameters laid
    end to end; taken: what the parameters moved by, divided by -learning rate; loss: before the
    step; logits, after: class logits before and after it; returned: what came back.
    """

    draw: int
    pair: Pair
    labels: Tokens
    sizes: list[int]
    gradient: Floats
    taken: Floats
    loss: float
    logits: Floats
    after: Floats
    returned: object

    def parts(self, flat: Floats) -> list[Floats]:
        """One vector for each parameter."""
        return np.split(flat, np.cumsum(self.sizes)[:-1])


def take(
    rig: Rig,
    rng: np.random.Generator,
    rows: int,
    *,
    stale: float = 0.0,
    limit: float | None = None,
) -> Step:
    """A step from random weights. limit: max_grad_norm, in largest elements of the gradient."""
    draw = int(rng.integers(10_000))
    rig.draw(np.random.default_rng(draw))
    classifier, seed = rig.classifier, 5
    pair = rig.pair(rng, rows, rig.setting.size["block_size"] - 1)
    labels = rng.integers(0, rig.setting.num_classes, rows)
    # A classifier may have dropout of its own: the same seed drops the same.
    (logits,) = classifier.logits([pair], train=True, seeds=[seed])
    _, gradients = classifier.gradient(pair, loss_weights(logits, labels), train=True, seed=seed)
    shapes = [parameter.shape for parameter in rig.module.parameters]
    filled = [np.zeros(s) if g is None else g for g, s in zip(gradients, shapes, strict=True)]
    gradient = laid_out(filled)
    most = None if limit is None else limit * float(np.abs(gradient).max(initial=1e-12))
    before, _ = read(rig.module)
    optimizer = classifier.optimizer("SGD", _RATE, stale)
    more = {} if most is None else {"max_grad_norm": most}
    returned = classifier.step(optimizer, pair, labels, seed=seed, **more)
    for name, array in (("idx", pair[0]), ("lengths", pair[1]), ("labels", labels)):
        if not np.array_equal(returned.after[name], array):
            raise Failure(f"{STEP} changed {name}", cause="mutates-input")
    after, _ = read(rig.module)
    taken = laid_out([(a - b) / _RATE for a, b in zip(before, after, strict=True)])
    (moved,) = classifier.logits([pair], train=True, seeds=[seed])
    loss = cross_entropy(logits, labels)
    sizes = [value.size for value in before]
    return Step(draw, pair, labels, sizes, gradient, taken, loss, logits, moved, returned.value)


def _code(step: Step, *lines: str, options: str = "") -> list[str]:
    """Lines that take the same step."""
    return [
        f"optimizer = torch.optim.SGD(model.parameters(), lr={_RATE})",
        f"idx, lengths = {tensor(step.pair[0])}, {tensor(step.pair[1])}",
        f"labels = {tensor(step.labels)}",
        *(lines or ()),
        f"loss = {STEP}(model, optimizer, idx, lengths, labels{options})",
    ]


@check(
    "classification.step_signature",
    PART,
    1,
    hints=(
        "Compare the arguments with the stub's, letter by letter.",
        "max_grad_norm is given by name, and may be left out.",
        "def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None)",
    ),
)
def test_signature(evidence: Evidence) -> None:
    """There is a function finetune_step that takes the stub's arguments by name."""
    found = evidence.subject.found_classes()
    if STEP not in found:
        raise Failure(f"expected a function {STEP}, found none", cause="wrong-signature")
    if found[STEP].startswith("not a function"):
        raise Failure(
            f"expected {STEP} to be a function, found {found[STEP]}", cause="wrong-signature"
        )
    rig = Rig(evidence, OTHER, 50, any_backbone=True)
    pair = np.array([[1, 2, 3], [4, 0, 0]]), np.array([3, 1])
    rig.classifier.logits([pair])
    given = {"idx": pair[0], "lengths": pair[1], "labels": np.array([0, 1])}
    by_name = {"classifier": rig.module.itself, **given}
    for more in ({}, {"max_grad_norm": None}, {"max_grad_norm": 1.0}):
        optimizer = rig.classifier.optimizer("SGD", _RATE)
        try:
            call(evidence.subject, STEP, {**by_name, "optimizer": optimizer, **more})
        except CandidateError as fault:
            if fault.status == "error" and fault.message.startswith("it raised TypeError"):
                message = f"{STEP} has {found[STEP]}: {fault.message}"
                raise Failure(message, cause="wrong-signature") from None
            raise


@check(
    "classification.step",
    PART,
    9,
    hints=(
        "What becomes of a parameter in one step of plain gradient descent?",
        "Compare parameter - lr * grad, computed by hand, with the parameter after the step.",
        "The mean cross-entropy of class logits and labels, backward(), optimizer.step(), once.",
    ),
)
def test_step(evidence: Evidence) -> None:
    """The optimizer makes one step along the gradient of the mean cross-entropy."""
    for rig, rng in rigs(evidence, 51, SMALL, OTHER, any_backbone=True):
        for rows in (4, 1):
            step = take(rig, rng, rows)
            if difference(step.taken, step.gradient) < _SAME:
                continue
            _fail_step(rig, step)


def _fail_step(rig: Rig, step: Step) -> None:
    cause = next(
        (n for n, bug in GRADIENTS.items() if _is(step, bug(step.gradient, len(step.labels)))), ""
    )
    if not cause and _head_only(rig, step):
        cause = "finetune-only-the-head"
    if not cause and np.any(step.taken):
        twisted = softmax_first(step.logits, step.labels)
        rig.draw(np.random.default_rng(step.draw))
        _, gradients = rig.classifier.gradient(step.pair, twisted, train=True, seed=5)
        filled = [
            np.zeros(p.shape) if g is None else g
            for g, p in zip(gradients, rig.module.parameters, strict=True)
        ]
        if _is(step, laid_out(filled)):
            cause = "finetune-softmax-twice"
    if not cause and _collinear(step.taken, step.gradient):
        cause = "finetune-gradient-scaled"
    proven = bool(cause)
    if not cause and np.any(step.taken):
        cause = "finetune-another-loss"
    norms = [float(np.linalg.norm(v)) for v in (step.gradient, step.taken)]
    raise Failure(
        f"with SGD of learning rate {_RATE} and {len(step.labels)} rows, the parameters do not "
        "move by -lr times the gradient of the mean cross-entropy, whose norm is "
        f"{norms[0]:.4g}; they move by {norms[1]:.4g} times the learning rate",
        rig.counterexample(
            step.draw,
            *_code(step, "before = [p.detach().clone() for p in model.parameters()]"),
            f"moved = [(b - p) / {_RATE} for b, p in zip(before, model.parameters())]",
            "print(torch.cat([m.flatten() for m in moved]).norm())",
            expected=norms[0],
            found=norms[1],
            train=True,
        ),
        cause,
        proven=proven,
    )


def _is(step: Step, gradient: Floats) -> bool:
    scale = float(np.abs(step.gradient).max(initial=1e-12))
    return bool(np.abs(step.taken - gradient).max(initial=0.0) < _SAME * scale)


def _head_only(rig: Rig, step: Step) -> bool:
    """Whether the classifier's own parameters moved as they should, and the backbone's not."""
    own = rig.own_places()
    return _is(step, np.where(own, step.gradient, 0.0))


def _collinear(first: Floats, second: Floats) -> bool:
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return norms > 0 and abs(abs(float(first @ second)) / norms - 1) < 1e-8


@check(
    "classification.loss",
    PART,
    5,
    hints=(
        "Of which weights is the loss that you return?",
        "Compute the cross-entropy by hand before the step, and compare.",
        "return loss.item(), of the loss with which backward() was called.",
    ),
)
def test_loss(evidence: Evidence) -> None:
    """The mean cross-entropy before the step comes back, as a float."""
    for rig, rng in rigs(evidence, 52, SMALL, any_backbone=True):
        step = take(rig, rng, 5)
        if type(step.returned) is not float:
            raise Failure(
                f"expected a float, found {words(step.returned)}", cause="finetune-loss-not-a-float"
            )
        if abs(step.returned - step.loss) <= _SAME * max(1.0, step.loss):
            continue
        values = {name: loss(step.logits, step.after, step.labels) for name, loss in LOSSES.items()}
        close = _SAME * max(1.0, abs(step.returned))
        cause = next((n for n, value in values.items() if abs(value - step.returned) < close), "")
        raise Failure(
            f"expected the loss before the step, {step.loss:.6g}, found {step.returned:.6g}",
            rig.counterexample(
                step.draw,
                *_code(step),
                "print(loss)",
                expected=step.loss,
                found=step.returned,
                train=True,
            ),
            cause,
            proven=bool(cause),
        )


@check(
    "classification.stale",
    PART,
    4,
    hints=(
        "What does backward() do with a gradient that is there already?",
        "Give every parameter a grad of ones, then take a step.",
        "optimizer.zero_grad() before loss.backward().",
    ),
)
def test_stale(evidence: Evidence) -> None:
    """Gradients from before count for nothing."""
    for rig, rng in rigs(evidence, 53, OTHER, any_backbone=True):
        step = take(rig, rng, 3, stale=_STALE)
        if difference(step.taken, step.gradient) < _SAME:
            continue
        added = (step.taken - step.gradient) / _STALE  # 1 where it counted
        proven = bool((np.minimum(np.abs(added), np.abs(added - 1)) < 1e-4).all())
        raise Failure(
            f"after gradients of {_STALE} from before, the step is another one",
            rig.counterexample(
                step.draw,
                *_code(
                    step,
                    "before = [p.detach().clone() for p in model.parameters()]",
                    "for p in model.parameters():",
                    f"    p.grad = torch.full_like(p, {_STALE})",
                ),
                f"moved = [(b - p) / {_RATE} for b, p in zip(before, model.parameters())]",
                "print(torch.cat([m.flatten() for m in moved]).norm())",
                expected=float(np.linalg.norm(step.gradient)),
                found=float(np.linalg.norm(step.taken)),
                train=True,
            ),
            "finetune-stale-gradients" if proven else "",
            proven,
        )


@check(
    "classification.clipping",
    PART,
    4,
    hints=(
        "What is the length of all gradients together?",
        "Print that length before and after clipping, for a max_grad_norm above it and below.",
        "torch.nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm), between "
        "backward() and step().",
    ),
)
def test_clipping(evidence: Evidence) -> None:
    """Gradients are scaled together to a norm of max_grad_norm, and left if that is larger."""
    for rig, rng in rigs(evidence, 54, SMALL, OTHER, any_backbone=True):
        for limit in (0.5, 1e3):
            step = take(rig, rng, 4, limit=limit)
            norm = float(np.linalg.norm(step.gradient))
            most = limit * float(np.abs(step.gradient).max(initial=1e-12))
            expected = step.gradient * min(1.0, most / max(norm, 1e-12))
            if difference(step.taken, expected) < 10 * _SAME:
                continue
            forms = {name: bug(step.parts(step.gradient), most) for name, bug in CLIPPED.items()}
            named = (
                name
                for name, parts in forms.items()
                if difference(step.taken, laid_out(parts)) < 10 * _SAME
            )
            cause = next(named, "")
            if not cause and _collinear(step.taken, step.gradient):
                cause = "finetune-clips-by-another-norm"
            elif not cause and _clips_some(step):
                cause = "finetune-clips-some-parameters"
            raise Failure(
                f"with max_grad_norm={most:.4g} and gradients of norm {norm:.4g}, expected a step "
                f"of {np.linalg.norm(expected):.4g} times the learning rate, found "
                f"{np.linalg.norm(step.taken):.4g}, or one in another direction",
                rig.counterexample(
                    step.draw,
                    *_code(
                        step,
                        "before = [p.detach().clone() for p in model.parameters()]",
                        options=f", max_grad_norm={most!r}",
                    ),
                    f"moved = [(b - p) / {_RATE} for b, p in zip(before, model.parameters())]",
                    "print(torch.cat([m.flatten() for m in moved]).norm())",
                    expected=float(np.linalg.norm(expected)),
                    found=float(np.linalg.norm(step.taken)),
                    train=True,
                ),
                cause,
                proven=bool(cause),
            )


def _clips_some(step: Step) -> bool:
    """Whether some parameters moved by their gradient as it is, and others by less of theirs."""
    pairs = zip(step.parts(step.taken), step.parts(step.gradient), strict=True)
    moved = [(taken, gradient) for taken, gradient in pairs if np.abs(gradient).max() > _SAME]
    whole = [difference(taken, gradient) < _SAME for taken, gradient in moved]
    along = [_collinear(taken, gradient) for taken, gradient in moved]
    return any(whole) and all(along)


@check(
    "classification.step_frozen",
    PART,
    2,
    hints=(
        "What may finetune_step do to a parameter that is frozen?",
        "Freeze the gpt2 before, take a step, and compare its parameters with copies.",
        "Touch no requires_grad, and change parameters by optimizer.step() alone.",
    ),
)
def test_frozen(evidence: Evidence) -> None:
    """Frozen parameters never change, and stay frozen."""
    count = len(Rig(evidence, SMALL, 55, any_backbone=True).given.parameters)
    rig = Rig(evidence, SMALL, 56, any_backbone=True, frozen=count)
    rng = np.random.default_rng((evidence.seed, 56))
    before, _ = read(rig.given)
    step = take(rig, rng, 4)
    after, _ = read(rig.given)
    for parameter, old, new in zip(rig.given.parameters, before, after, strict=True):
        if not np.array_equal(old, new):
            raise Failure(
                f"the frozen {parameter.name} changed in {STEP}", cause="unfreezes-the-backbone"
            )
    expect_frozen(rig, count, f"a {STEP}")
    if not np.any(step.taken):
        raise Failure(f"with the gpt2 frozen, {STEP} trains nothing", cause="finetune-no-step")


@check(
    "classification.train_mode",
    PART,
    2,
    hints=(
        "What does dropout do while you train?",
        "Take two steps from the same weights with dropout_p = 0.5: are the losses the same?",
        "Call no eval() in finetune_step.",
    ),
)
def test_train_mode(evidence: Evidence) -> None:
    """The step is made in train mode: dropout acts."""
    rig = Rig(evidence, SMALL, 57, any_backbone=True, dropout_p=0.5)
    rng = np.random.default_rng((evidence.seed, 57))
    theta = int(rng.integers(10_000))
    rig.draw(np.random.default_rng(theta))
    pair, labels = rig.pair(rng, 4, 6), rng.integers(0, rig.setting.num_classes, 4)
    chances = rig.second.samples(pair[0], rig.second.initial, [1, 2, 3])
    if all(np.array_equal(chances[0], other) for other in chances):
        return  # a GPT2 without dropout
    ends = []
    for seed in range(1, 5):
        rig.draw(np.random.default_rng(theta))
        optimizer = rig.classifier.optimizer("SGD", _RATE)
        rig.classifier.step(optimizer, pair, labels, seed=seed)
        ends.append(laid_out(read(rig.module)[0]))
    if all(np.array_equal(end, ends[0]) for end in ends):
        raise Failure(
            "for a gpt2 with dropout_p=0.5, the step is the same whatever chance drops",
            cause="finetune-in-eval-mode",
        )


@check(
    "classification.learns",
    PART,
    1,
    hints=(
        "Does the loss fall when you repeat the step on one batch?",
        f"Take {_STEPS} steps of AdamW on a batch whose class can be read off its last token.",
        "If single steps are right, look at what is kept from one step to the next.",
    ),
)
def test_learns(evidence: Evidence) -> None:
    """Step by step, the loss on a batch that can be told apart falls."""
    rig = Rig(evidence, TOY, 58, any_backbone=True)
    rng = np.random.default_rng((evidence.seed, 58))
    rig.draw(rng, 0.3)
    idx, lengths = rig.pair(rng, _ROWS, rig.setting.size["block_size"])
    labels = idx[np.arange(_ROWS), lengths - 1] % rig.setting.num_classes
    (before,) = rig.classifier.logits([(idx, lengths)])
    optimizer = rig.classifier.optimizer("AdamW", _TOY_RATE)
    for _ in range(_STEPS):
        rig.classifier.step(optimizer, (idx, lengths), labels)
    (after,) = rig.classifier.logits([(idx, lengths)])
    first, last = (cross_entropy(logits, labels) for logits in (before, after))
    if not last < _LEARNED * first:
        raise Failure(
            f"the loss on {_ROWS} sequences, whose class can be read off their last token, is "
            f"{first:.3g} at first and {last:.3g} after {_STEPS} steps of {NAME} with AdamW",
            cause="finetune-learns-nothing",
        )
