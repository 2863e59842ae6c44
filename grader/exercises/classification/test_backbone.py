"""Requirements of GPT2Classifier: whose weights it has, and which of them are trained."""

from __future__ import annotations

import numpy as np

from grader.check import Failure, check
from grader.exercises.classification.client import Pair, read
from grader.exercises.classification.common import OTHER, SMALL, ClassifierHarness, rigs, tensor
from grader.exercises.classification.oracle import Floats
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts.box import CLOSE, difference

PART = "Backbone"
_DELTA = 1e-3  # of the finite differences with which gradients are compared
_GRADIENT = 2e-2


@check(
    "classification.own_weights",
    PART,
    6,
    hints=(
        "Whose weights does training the classifier train?",
        "Which of gpt2.parameters() are, by `is`, among classifier.parameters()?",
        "self.backbone = gpt2, the model itself: no copy, no new one, and not in a plain list.",
    ),
)
def test_own_weights(evidence: Evidence) -> None:
    """The parameters of the given gpt2, as they are and no copies, are the classifier's."""
    for rig, _ in rigs(evidence, 31, SMALL, OTHER, any_backbone=True):
        if rig.reset:
            raise Failure(
                "building the classifier changed the weights of the given gpt2, which may have "
                "been pretrained",
                cause="resets-the-backbone",
            )
        lost = [rig.given.parameters[n] for n in rig.lost()]
        if not lost:
            continue
        shapes = ", ".join(f"{parameter.name} {parameter.shape}" for parameter in lost[:3])
        raise Failure(
            f"{len(lost)} parameters of the given gpt2 are not among the classifier's, such as "
            f"{shapes}",
            rig.counterexample(
                0,
                "own = {id(p) for p in model.parameters()}",
                "print([n for n, p in gpt2.named_parameters() if id(p) not in own])",
                expected="[]",
                found=[parameter.name for parameter in lost[:5]],
            ),
            _whose(rig),
        )


def _whose(rig: ClassifierHarness) -> str:
    """The slug for a classifier that has not the given backbone's parameters."""
    shapes = [parameter.shape for parameter in rig.module.parameters]
    needed = [rig.given.parameters[n].shape for n in rig.missing]
    if not all(shape in shapes for shape in needed):
        return "backbone-not-registered"
    fresh = ClassifierHarness(rig.evidence, rig.setting, 32, any_backbone=True)
    own = {value.tobytes() for value in read(fresh.module)[0]}
    tables = [v for v in read(fresh.given)[0] if v.ndim > 1 and np.unique(v).size > 2]
    copied = all(value.tobytes() in own for value in tables)
    return "copies-the-backbone" if copied else "ignores-the-backbone"


@check(
    "classification.gradients",
    PART,
    8,
    hints=(
        "Could every weight of the backbone learn?",
        "Call backward() on the sum of the class logits and print every parameter's grad.",
        "No detach, no no_grad around the backbone, and no requires_grad_(False).",
    ),
)
def test_gradients(evidence: Evidence) -> None:
    """Gradients reach all weights that have a part in the class logits, the backbone's too."""
    for rig, rng in rigs(evidence, 33, SMALL, any_backbone=True):
        _, trained = read(rig.given)
        if not all(trained):
            named = zip(rig.given.parameters, trained, strict=True)
            names = [parameter.name for parameter, flag in named if not flag]
            raise Failure(
                f"building the classifier froze parameters of the gpt2: {names[:5]}",
                cause="freezes-the-backbone",
            )
        draw = int(rng.integers(10_000))
        theta = rig.draw(np.random.default_rng(draw))
        pair = rig.pair(rng, 4, 5)
        weights = rng.normal(0.0, 1.0, (4, rig.setting.num_classes))
        _compare_gradients(rig, draw, theta, pair, weights, rng)


def _compare_gradients(
    rig: ClassifierHarness,
    draw: int,
    theta: Floats,
    pair: Pair,
    weights: Floats,
    rng: np.random.Generator,
) -> None:
    output, gradients = rig.classifier.gradient(pair, weights)
    if all(gradient is None for gradient in gradients):
        own = rig.own_places()
        if any(p.trainable for p in rig.module.parameters if own[p.indices].any()):
            raise Failure("no gradient flows through the forward", cause="no-grad-in-forward")
        raise Failure("the map to class logits is frozen too", cause="class-head-not-trained")
    (plain,) = rig.classifier.at_points([theta], pair)
    if difference(output, plain) > CLOSE:
        raise Failure("the class logits differ when gradients are recorded")
    parameters = [p for p in rig.module.parameters if p.trainable]
    places = {p.name: n for n, p in enumerate(rig.module.parameters)}
    directions = {p.name: rng.normal(0.0, 1.0, p.shape) for p in parameters}
    thetas = []
    for parameter in parameters:
        step = np.zeros_like(theta)
        step[parameter.indices] = _DELTA * directions[parameter.name]
        thetas += [theta + step, theta - step]
    outputs = rig.classifier.at_points(thetas, pair)
    slopes = [
        float(((ahead - behind) * weights).sum() / (2 * _DELTA))
        for ahead, behind in zip(outputs[::2], outputs[1::2], strict=True)
    ]
    scale = max(map(abs, slopes), default=0.0)
    wrong = []
    for parameter, slope in zip(parameters, slopes, strict=True):
        gradient = gradients[places[parameter.name]]
        told = 0.0 if gradient is None else float((gradient * directions[parameter.name]).sum())
        if abs(told - slope) > _GRADIENT * max(scale, 1e-6):
            wrong.append((parameter.name, slope, None if gradient is None else told))
    if not wrong:
        return
    name, slope, told_or_none = wrong[0]
    own = rig.own_places()
    apart = all(
        (gradients[n] is None or not np.any(gradients[n]))
        for n, p in enumerate(rig.module.parameters)
        if not own[p.indices].any()
    )
    says = "nothing" if told_or_none is None else f"{told_or_none:.4g}"
    raise Failure(
        f"the gradient of {name} is wrong, as those of {len(wrong)} parameters are: along a random "
        f"direction the class logits change by {slope:.4g}, autograd says {says}",
        rig.counterexample(
            draw,
            f"model({tensor(pair[0])}, {tensor(pair[1])}).sum().backward()",
            "print([n for n, p in model.named_parameters() if p.grad is None])",
            expected="[], but for a head for tokens",
            found=[name for name, _, told in wrong if told is None][:5],
        ),
        "backbone-cut-off" if apart else "detach-breaks-gradients",
    )


@check(
    "classification.frozen",
    PART,
    6,
    hints=(
        "Who decides which weights are trained?",
        "Freeze half of the gpt2, build the classifier, and print every requires_grad and grad.",
        "Leave requires_grad of the backbone's parameters alone, everywhere.",
    ),
)
def test_frozen(evidence: Evidence) -> None:
    """Parameters that were frozen before stay frozen, and gradients reach the others."""
    count = len(ClassifierHarness(evidence, SMALL, 34, any_backbone=True).given.parameters)
    for build, frozen in ((35, count), (36, count // 2)):
        rig = ClassifierHarness(evidence, SMALL, build, any_backbone=True, frozen=frozen)
        expect_frozen(rig, frozen, "the classifier is built")
        rng = np.random.default_rng((evidence.seed, build))
        draw = int(rng.integers(10_000))
        theta = rig.draw(np.random.default_rng(draw))
        weights = rng.normal(0.0, 1.0, (4, rig.setting.num_classes))
        _compare_gradients(rig, draw, theta, rig.pair(rng, 4, 5), weights, rng)
        expect_frozen(rig, frozen, "a forward and a backward")


def expect_frozen(rig: ClassifierHarness, frozen: int, when: str) -> None:
    """Fail unless just the first `frozen` parameters of the given backbone are not trained."""
    _, trained = read(rig.given)
    names = [p.name for p in rig.given.parameters]
    if any(trained[:frozen]):
        name = names[trained.index(True)]
        raise Failure(
            f"the frozen {name} is trained again after {when}", cause="unfreezes-the-backbone"
        )
    if not all(trained[frozen:]):
        name = names[trained.index(False, frozen)]
        raise Failure(
            f"{name}, which was not frozen, is frozen after {when}", cause="freezes-the-backbone"
        )
