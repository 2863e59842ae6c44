"""Requirements of `configure_optimizer`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grader.check import Counterexample, Failure, check
from grader.exercises.training.common import model_code, trainee
from grader.exercises.training.named import (
    expect_decay,
    expect_eps_beside_the_root,
    expect_small_steps,
    expect_stepped,
)
from grader.exercises.training.optimizers import MATRICES, Setting, decays, wrong_steps
from grader.exercises.training.oracle import Adam, Floats, ToyModel, adamw, cut, flat
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import show
from grader.sandbox.client import CandidateError

PART = "Optimizer and schedule"

NAMES = ("embed.weight (= head.weight)", "gain", "mix.weight", "mix.bias", "kernel")
# Of a step: another small eps included. Bugs are off by 1e-3 and more.
_TOLERANCE = 1e-5


@check(
    "training.every_parameter",
    PART,
    6,
    hints=(
        "Does the optimizer know every parameter that is trained, and each of them once?",
        "Make two names for one parameter (a.weight = b.weight), and count the parameters in "
        "optimizer.param_groups.",
        "Sort model.parameters() into groups: it gives a tied parameter once. Those with "
        "requires_grad=False are left out.",
    ),
)
def test_every_parameter(evidence: Evidence) -> None:
    """Every parameter that is trained is stepped once, a tied one too."""
    draw = 1
    model = trainee(draw)
    # With gradients of one size, every optimizer moves all numbers equally far.
    ones: list[Floats] = [np.ones(p.shape) for p in model.trained]
    setting = Setting(0.1, 0.0)
    try:
        (after,) = setting.run(evidence, model, [ones], [None])
    except CandidateError as fault:
        if "more than one parameter group" not in fault.message:
            raise
        raise Failure(
            "two groups have one parameter: it has two names, and is in both of them",
            cause="parameter-twice",
        ) from None
    moves = [float(np.abs(a - p).mean()) for a, p in zip(after, model.trained, strict=True)]
    usual = float(np.median([move for move in moves if move > 0] or [0.0]))
    still = [name for name, move in zip(NAMES, moves, strict=True) if move == 0]
    twice = [n for n, move in zip(NAMES, moves, strict=True) if usual and move > 1.5 * usual]
    uneven = [
        n for n, a, p in zip(NAMES, after, model.trained, strict=True) if np.ptp(a - p) > usual / 2
    ]
    if not still and not twice and not uneven:
        expect_stepped(evidence)
        return
    if still:
        what, cause = f"is not stepped at all: {', '.join(still)}", "parameter-missing"
    elif twice:
        what = f"is stepped more than once: {', '.join(twice)}"
        cause = "parameter-twice"
    else:
        what, cause = f"is stepped unevenly: {', '.join(uneven)}", ""
    raise Failure(
        f"after one step with all gradients 1, what is trained has to have moved equally far; "
        f"this {what}",
        Counterexample(
            setting.code(
                evidence,
                model_code(draw),
                "before = [p.detach().clone() for p in model.parameters()]",
                "for p in model.parameters():",
                "    p.grad = torch.ones_like(p) if p.requires_grad else None",
                "optimizer.step()",
                "for (name, p), b in zip(model.named_parameters(), before):",
                "    print(name, (p - b).abs().mean().item())",
                "# The grader's model has a second name for its embedding: head.weight.",
            ),
            "0.1 for each but places",
            show(np.array(moves)),
        ),
        cause,
    )


_STEPS = 4
_RATES = (None, 0.05, 0.02, 0.1)


def _gradients(model: ToyModel, draw: int) -> list[tuple[Floats, ...]]:
    rng = np.random.default_rng(draw)
    drawn = [[rng.normal(0.0, 1.0, p.shape) for p in model.trained] for _ in range(_STEPS)]
    # Clear of zero, where a small eps counts: which one is the candidate's.
    return [
        tuple((g + np.copysign(0.3, g)) * 2.0 ** (2 - n) for g in step)
        for n, step in enumerate(drawn)
    ]


@check(
    "training.adamw",
    PART,
    5,
    hints=(
        "What does AdamW need to know, and who tells it?",
        "Print optimizer.param_groups: are lr and betas in every group as they were given?",
        "torch.optim.AdamW(groups, lr=learning_rate, betas=betas).",
    ),
)
def test_adamw(evidence: Evidence) -> None:
    """It steps as AdamW does, with the learning rate and betas given, or "lr" as set in groups.

    What has no gradient sits a step out.
    """
    left: set[str] | None = None
    failed: tuple[Setting, int, Floats, Floats] | None = None
    rng = np.random.default_rng(evidence.seed)
    for draw, betas in enumerate((None, (0.7, 0.8), (0.5, 0.99)), 10 * evidence.seed):
        setting = Setting(round(rng.uniform(0.01, 0.2), 3), 0.0, betas)
        model = trainee(draw)
        gradients = _gradients(model, draw)
        seen = setting.run(evidence, model, gradients, _RATES)
        found = np.stack([flat(values) for values in seen])
        rates = [rate or setting.learning_rate for rate in _RATES]
        start, steps = flat(model.trained), [flat(g) for g in gradients]
        expected = adamw(start, steps, rates, Adam(setting.right, np.zeros_like(start)))
        if failed is None and not _same(found, expected, rates):
            failed = setting, draw, expected[-1], found[-1]
        wrong = wrong_steps(setting, model, steps, rates)
        here = {n.split(" ")[0] for n, w in wrong.items() if _same(found, w, rates)}
        if _same(found, expected, rates):
            here |= {"betas-ignored", "betas-swapped"}  # where they are the right ones
        left = here if left is None else left & here
    if failed is None:
        expect_eps_beside_the_root(evidence)
        expect_small_steps(evidence)
        return
    setting, draw, expected, found = failed
    cause = next(iter(sorted(left or ())), "")
    raise Failure(
        f"with learning_rate={setting.learning_rate} and betas={setting.right}, {_STEPS} steps "
        'with given gradients, before which "lr" was set in all groups, do not go as AdamW\'s',
        Counterexample(
            setting.code(
                evidence,
                model_code(draw),
                "trained = [p for p in model.parameters() if p.requires_grad]",
                f"rng = np.random.default_rng({draw})",
                f"for n, rate in enumerate({_RATES}):",
                "    for p in trained:",
                "        g = rng.normal(0.0, 1.0, p.shape)",
                "        g = (g + np.copysign(0.3, g)) * 2.0 ** (2 - n)",
                "        p.grad = torch.from_numpy(g)",
                "    for group in optimizer.param_groups if rate else ():",
                '        group["lr"] = rate',
                "    optimizer.step()",
                "print(model.gain.detach())",
            ),
            show(_part(expected, draw)),
            show(_part(found, draw)),
        ),
        cause,
        proven=bool(cause),
    )


def _part(values: Floats, draw: int) -> Floats:
    return cut(values, trainee(draw).trained)[1]


def _same(found: Floats, expected: Floats, rates: Sequence[float]) -> bool:
    return bool(np.abs(found - expected).max() < _TOLERANCE * (1 + sum(rates)))


@check(
    "training.weight_decay",
    PART,
    6,
    hints=(
        "Which parameters does weight decay shrink, and does it go through Adam's averages?",
        "Set all gradients to zero, step once, and divide each parameter by what it was.",
        "Two groups: parameters with ndim >= 2 with weight_decay, the others with 0.0; and AdamW, "
        "not Adam, whose decay is added to the gradient.",
    ),
)
def test_weight_decay(evidence: Evidence) -> None:
    """Parameters of two axes or more decay, by as much as in AdamW; others do not."""
    rng = np.random.default_rng(evidence.seed)
    for draw, betas in enumerate((None, (0.8, 0.9)), 10 * evidence.seed):
        rate, decay = rng.uniform(0.01, 0.2), rng.uniform(0.3, 2.0)
        setting = Setting(round(rate, 3), round(decay, 2), betas)
        model = trainee(draw)
        zeros: list[Floats] = [np.zeros(p.shape) for p in model.trained]
        (after,) = setting.run(evidence, model, [zeros], [None])
        whole = setting.learning_rate * setting.weight_decay
        shares = [1.0 - a / p for a, p in zip(after, model.trained, strict=True)]
        wanted = [whole * on for on in MATRICES]
        right = [
            bool(np.abs(share - want).max() < _TOLERANCE * whole)
            for share, want in zip(shares, wanted, strict=True)
        ]
        if all(right):
            continue
        means = np.array([float(share.mean()) for share in shares])
        cause = _decay_cause(setting, model, after, means)
        shown = dict(zip(NAMES, means.round(4).tolist(), strict=True))
        raise Failure(
            f"with learning_rate={setting.learning_rate}, weight_decay={setting.weight_decay} and "
            f"all gradients zero, a step has to shrink parameters of two axes or more by "
            f"{whole:g} of themselves and leave the others; found {shown}",
            Counterexample(
                setting.code(
                    evidence,
                    model_code(draw),
                    "before = [p.detach().clone() for p in model.parameters()]",
                    "for p in model.parameters():",
                    "    p.grad = torch.zeros_like(p) if p.requires_grad else None",
                    "optimizer.step()",
                    "for (name, p), b in zip(model.named_parameters(), before):",
                    "    print(name, (1 - p / b).mean().item())",
                ),
                show(np.array(wanted)),
                show(means),
            ),
            cause,
            proven=bool(cause),
        )
    expect_decay(evidence)
    _expect_decoupled(evidence)


def _decay_cause(setting: Setting, model: ToyModel, after: list[Floats], means: Floats) -> str:
    rate, whole = setting.learning_rate, setting.learning_rate * setting.weight_decay
    signs = [np.sign(p) * rate for p in model.trained]
    moved = [p - a for a, p in zip(after, model.trained, strict=True)]
    if any(np.allclose(m, s, atol=1e-4 * rate) for m, s in zip(moved, signs, strict=True)):
        return "decay-in-the-gradient"
    decays = np.abs(means) > whole * 1e-4
    if not decays.any():
        return "weight-decay-missing"
    if np.allclose(means[decays], 0.01 * rate, rtol=1e-3):
        return "weight-decay-ignored"
    matrices = np.array(MATRICES)
    if not (decays & matrices).any():
        return "decay-swapped"
    if (decays & ~matrices).any():
        return "decay-on-vectors"
    return "decay-misses-a-matrix" if (matrices & ~decays).any() else ""


def _expect_decoupled(evidence: Evidence) -> None:
    """Fail unless decay and gradients together do what they do in AdamW."""
    setting, draw = Setting(0.1, 0.3), 5
    model = trainee(draw)
    gradients = _gradients(model, draw)
    seen = setting.run(evidence, model, gradients, _RATES)
    found = np.stack([flat(values) for values in seen])
    rates = [rate or setting.learning_rate for rate in _RATES]
    how = Adam(setting.right, decays(setting.weight_decay, model))
    expected = adamw(flat(model.trained), [flat(g) for g in gradients], rates, how)
    off = np.abs(found - expected).max()
    if not off < _TOLERANCE * (1 + sum(rates)):
        raise Failure(
            f"with weight_decay={setting.weight_decay} and gradients, steps do not go as AdamW's: "
            f"parameters are off by up to {off:.2g}"
        )
