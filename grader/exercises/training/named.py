"""Parameters by name, without a model around them: what an optimizer does with each of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grader.check import Counterexample, Failure
from grader.exercises.training.client import named_parameters, steps
from grader.exercises.training.optimizers import NAME, Setting
from grader.exercises.training.oracle import Adam, Floats, adamw
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import show

# A head that is not tied, parameters with no axis at all, and names by which some people tell
# what decays.
SHAPES: dict[str, tuple[int, ...]] = {
    "head.weight": (4, 3),
    "head.bias": (4,),
    "lm_head.weight": (5, 2),
    "ln_f.weight": (3,),
    "places.bias": (2, 3),
    "wpe.weight": (3, 2),
    "pos_emb": (1, 2, 3),
    "token_embedding.weight": (2, 4),
    "layer_norm.weight": (2, 2),
    "mlp_proj.weight": (4,),
    "scale": (),
}
# Of the learning rate, for gradients of about a thousandth: an eps of 1e-5 included. Bugs are off
# by 5 % and more.
_TOLERANCE = 0.03
_RATE = 0.1
_SMALL = 1e-5  # about the size of a gradient
_STEPS = 4


def _drawn(draw: int) -> list[Floats]:
    rng = np.random.default_rng(draw)
    return [np.asarray(rng.normal(0.0, 0.8, shape)) for shape in SHAPES.values()]


def _run(
    evidence: Evidence,
    setting: Setting,
    draw: int,
    gradients: Sequence[Sequence[Floats | None]],
) -> list[list[Floats]]:
    """The parameters before the first step, and after each."""
    start = _drawn(draw)
    model = named_parameters(evidence.subject, NAME, list(SHAPES), start)
    made = setting.make(evidence, model)
    rates = [None] * len(gradients)
    seen = steps(evidence.subject, NAME, model, made, gradients, rates)
    if not all(np.isfinite(array).all() for after in seen for array in after):
        raise Failure("parameters are not finite after a step")
    if any(a.shape != p.shape for after in seen for a, p in zip(after, start, strict=True)):
        raise Failure("the optimizer changes the shapes of parameters")
    return [start, *seen]


def _example(
    evidence: Evidence, setting: Setting, draw: int, name: str, lines: Sequence[str], *seen: Floats
) -> Counterexample:
    """Code that makes the parameters and goes on with these lines, which print one of them.

    seen: what has to be printed, and what is.
    """
    modules = list(dict.fromkeys(n.split(".")[0] for n in SHAPES if "." in n))
    model = [
        "model = nn.Module()",
        f"for name in {modules}:",
        "    setattr(model, name, nn.Module())",
        f"rng, shapes = np.random.default_rng({draw}), {SHAPES}",
        "for name, shape in shapes.items():",
        '    path, _, last = name.rpartition(".")',
        "    p = nn.Parameter(torch.tensor(rng.normal(0.0, 0.8, shape)))",
        "    model.get_submodule(path).register_parameter(last, p)",
        "p = {name: model.get_parameter(name) for name in shapes}",
    ]
    code = setting.code(evidence, model, *lines, f'print(p["{name}"].detach())')
    expected, found = map(show, seen)
    return Counterexample(code, expected, found)


def expect_stepped(evidence: Evidence) -> None:
    """Fail unless each of them is stepped, by no more than the others."""
    setting, draw = Setting(_RATE, 0.0), 2
    before, after = _run(evidence, setting, draw, [[np.ones(s) for s in SHAPES.values()]])
    moves = [float(np.abs(a - b).mean()) for a, b in zip(after, before, strict=True)]
    usual = float(np.median(moves))
    for name, move, old, new in zip(SHAPES, moves, before, after, strict=True):
        if 0 < move <= 1.5 * usual:
            continue
        raise Failure(
            f"after one step with all gradients 1, every parameter has to have moved equally far; "
            f"{name}, of shape {SHAPES[name]}, {'has not moved' if move == 0 else 'moves farther'}",
            _example(
                evidence,
                setting,
                draw,
                name,
                (
                    "for each in p.values():",
                    "    each.grad = torch.ones_like(each)",
                    "optimizer.step()",
                ),
                np.asarray(old - _RATE),
                new,
            ),
            "parameter-missing" if move == 0 else "parameter-twice",
        )


def expect_decay(evidence: Evidence) -> None:
    """Fail unless just those of two axes or more decay, and only if they have a gradient."""
    setting, draw = Setting(_RATE, 0.5), 3
    zeros = [np.zeros(shape) for shape in SHAPES.values()]
    before, once, twice = _run(evidence, setting, draw, [zeros, [None for _ in zeros]])
    whole = 1.0 - setting.learning_rate * setting.weight_decay
    for (name, shape), old, new, last in zip(SHAPES.items(), before, once, twice, strict=True):
        decays = len(shape) >= 2
        right = old * whole if decays else old
        lines = [
            "for each in p.values():",
            "    each.grad = torch.zeros_like(each)",
            "optimizer.step()",
        ]
        if not np.allclose(new, right, rtol=1e-5, atol=0):
            missing = "decay-misses-a-matrix" if np.allclose(new, old, atol=0) else ""
            wrong = "decay-on-vectors" if shape else "decay-on-scalars"
            raise Failure(
                f"with learning_rate={_RATE}, weight_decay={setting.weight_decay} and all "
                f"gradients zero, a step has to {'shrink' if decays else 'leave'} {name}, which "
                f"has {len(shape)} axes",
                _example(evidence, setting, draw, name, lines, right, new),
                missing if decays else wrong,
            )
        if not np.array_equal(new, last):
            lines += ["for each in p.values():", "    each.grad = None", "optimizer.step()"]
            raise Failure(
                f"{name} changes in a step in which its gradient is None",
                _example(evidence, setting, draw, name, lines, new, last),
                "moves-without-gradient",
            )


def expect_small_steps(evidence: Evidence) -> None:
    """Fail unless small gradients move each of them as in AdamW, and no gradient not at all."""
    setting, draw = Setting(_RATE, 0.0), 4
    rng = np.random.default_rng(draw + 1)
    given = [[_small(rng, shape) for shape in SHAPES.values()] for _ in range(_STEPS)]
    seen = _run(evidence, setting, draw, [*given, [None for _ in SHAPES]])
    for place, name in enumerate(SHAPES):
        start, *_, found, last = (each[place] for each in seen)
        own = [step[place] for step in given]
        if not np.array_equal(found, last):
            lines = [*_code(draw + 1), "optimizer.zero_grad(set_to_none=True)", "optimizer.step()"]
            raise Failure(
                f"{name} changes in a step in which its gradient is None",
                _example(evidence, setting, draw, name, lines, found, last),
                "moves-without-gradient",
            )
        expected = _stepped(setting, start, own)
        if _near(found, expected):
            continue
        large = any(
            _near(found, _stepped(setting, start, own, *both), 1e-4)
            for eps in (1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
            for both in ((eps, 0.0), (1e-8, eps), (0.0, eps))
        )
        raise Failure(
            f"with gradients of about 0.00001, {name} does not go as AdamW's: off by up to "
            f"{np.abs(found - expected).max():.2g} after {_STEPS} steps at a learning rate of "
            f"{_RATE}",
            _example(evidence, setting, draw, name, _code(draw + 1), expected, found),
            "adamw-eps-too-large" if large else "",
            proven=large,
        )


def expect_eps_beside_the_root(evidence: Evidence) -> None:
    """Fail if smaller gradients yet move them as they do with eps under the root."""
    setting, draw = Setting(_RATE, 0.0), 6
    rng = np.random.default_rng(draw + 1)
    given = [[_small(rng, shape) for shape in SHAPES.values()] for _ in range(_STEPS)]
    start, *_, last = _run(evidence, setting, draw, given)
    name, own = "pos_emb", [step[list(SHAPES).index("pos_emb")] for step in given]
    before, found = (each[list(SHAPES).index(name)] for each in (start, last))
    beside, *under = (
        _stepped(setting, before, own, *both) for both in ((1e-8, 0.0), (0.0, 1e-8), (1e-8, 1e-8))
    )
    # Another eps beside the root is as good: only what is just so is called wrong.
    if not _near(found, beside) and any(_near(found, each, 1e-4) for each in under):
        raise Failure(
            f"with gradients of about 0.00001, {name} goes as with an eps of 1e-8 under the root: "
            "in AdamW it stands beside it",
            _example(evidence, setting, draw, name, _code(draw + 1), beside, found),
            "adamw-eps-too-large",
            proven=True,
        )


def _small(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Gradients of about 0.00001, and not below it."""
    drawn = np.asarray(rng.normal(0.0, _SMALL, shape))
    return np.asarray(drawn + np.copysign(_SMALL, drawn))


def _code(draw: int) -> list[str]:
    """Lines that make the steps with them."""
    return [
        f"rng = np.random.default_rng({draw})",
        f"for _ in range({_STEPS}):",
        "    for each in p.values():",
        f"        g = rng.normal(0.0, {_SMALL}, each.shape)",
        f"        each.grad = torch.tensor(g + np.copysign({_SMALL}, g))",
        "    optimizer.step()",
    ]


def _stepped(
    setting: Setting,
    start: Floats,
    gradients: Sequence[Floats],
    eps: float = 1e-8,
    inside: float = 0.0,
) -> Floats:
    how = Adam(setting.right, np.zeros_like(start), eps, inside)
    return adamw(start, gradients, [setting.learning_rate] * len(gradients), how)[-1]


def _near(found: Floats, expected: Floats, share: float = _TOLERANCE) -> bool:
    return bool(np.abs(found - expected).max() <= share * _RATE * _STEPS)
