"""Requirements of finetune_step: which gradients count, how much, and that it learns by them."""

from __future__ import annotations

import numpy as np

from grader.check import Failure, check
from grader.exercises.classification.client import read
from grader.exercises.classification.common import (
    NAME,
    OTHER,
    SMALL,
    STEP,
    ClassifierHarness,
    Setting,
    laid_out,
    rigs,
)
from grader.exercises.classification.forms import CLIPPED
from grader.exercises.classification.oracle import cross_entropy
from grader.exercises.classification.step import (
    RATE,
    SAME,
    clips_groups,
    clips_some,
    code,
    collinear,
    take,
)
from grader.exercises.classification.test_backbone import expect_frozen
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts.box import difference

PART = "Fine-tuning"
_STALE = 0.5
_STEPS, _ROWS, _TOY_RATE = 40, 24, 0.02
_LEARNED = 0.5  # of the loss is left at most
TOY = Setting({**OTHER.size, "embed_dim": 8, "num_heads": 2}, 3)


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
        if difference(step.taken, step.gradient) < SAME:
            continue
        added = (step.taken - step.gradient) / _STALE  # 1 where it counted
        proven = bool((np.minimum(np.abs(added), np.abs(added - 1)) < 1e-4).all())
        raise Failure(
            f"after gradients of {_STALE} from before, the step is different",
            rig.counterexample(
                step.draw,
                *code(
                    step,
                    "before = [p.detach().clone() for p in model.parameters()]",
                    "for p in model.parameters():",
                    f"    p.grad = torch.full_like(p, {_STALE})",
                ),
                f"moved = [(b - p) / {RATE} for b, p in zip(before, model.parameters())]",
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
            if difference(step.taken, expected) < 10 * SAME:
                continue
            forms = {name: bug(step.parts(step.gradient), most) for name, bug in CLIPPED.items()}
            named = (
                name
                for name, parts in forms.items()
                if difference(step.taken, laid_out(parts)) < 10 * SAME
            )
            cause = next(named, "")
            if not cause and clips_groups(step, most):
                cause = "finetune-clips-each-group"
            elif not cause and collinear(step.taken, step.gradient):
                cause = "finetune-clips-by-another-norm"
            elif not cause and clips_some(step):
                cause = "finetune-clips-some-parameters"
            raise Failure(
                f"with max_grad_norm={most:.4g} and gradients of norm {norm:.4g}, expected a step "
                f"of {np.linalg.norm(expected):.4g} times the learning rate, found "
                f"{np.linalg.norm(step.taken):.4g}, or one in another direction",
                rig.counterexample(
                    step.draw,
                    *code(
                        step,
                        "before = [p.detach().clone() for p in model.parameters()]",
                        options=f", max_grad_norm={most!r}",
                    ),
                    f"moved = [(b - p) / {RATE} for b, p in zip(before, model.parameters())]",
                    "print(torch.cat([m.flatten() for m in moved]).norm())",
                    expected=float(np.linalg.norm(expected)),
                    found=float(np.linalg.norm(step.taken)),
                    train=True,
                ),
                cause,
                proven=bool(cause),
            )


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
    count = len(ClassifierHarness(evidence, SMALL, 55, any_backbone=True).given.parameters)
    rig = ClassifierHarness(evidence, SMALL, 56, any_backbone=True, frozen=count)
    rng = np.random.default_rng((evidence.seed, 56))
    before, _ = read(rig.given)
    step = take(rig, rng, 4, limit=0.5)
    # AdamW moves even what has a gradient of zero; what has none it leaves alone.
    optimizer = rig.classifier.optimizer("AdamW", 0.1, weight_decay=0.5)
    pair = rig.pair(rng, 4, rig.setting.size["block_size"])
    rig.classifier.step(optimizer, pair, np.zeros(4, dtype=np.int64))
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
    rig = ClassifierHarness(evidence, TOY, 58, any_backbone=True)
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
