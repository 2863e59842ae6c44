"""Variables that do not fit the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from grader.exercises.pretrained.common import Case, size_of
from grader.exercises.pretrained.oracle import Variables, shapes

CASE = Case(size_of(7, 2, 3, 2, 4), 30)


@dataclass(frozen=True)
class Bad:
    """Variables that do not fit. words: what is wrong; line: code that makes them of right ones;
    named: those of which one has to stand in the message.
    """

    words: str
    line: str
    variables: Variables
    named: tuple[str, ...]


_STRANGERS = [
    *("model/h0/ln_3/g", "model/h1/attn/bias", "model/wte/Adam", "global_step", "h0/ln_1/g"),
    *("model/h0/attn/b", "model/h1/attn/masked_bias", "model/h1/mlp/w", "model/lm_head/w"),
]


def missing() -> Iterator[Bad]:
    """Each variable missing, those of a block, and all."""
    right, _ = CASE.drawn()
    for name in right:
        rest = {other: values for other, values in right.items() if other != name}
        yield Bad(f"without {name}", f"del variables[{name!r}]", rest, (name,))
    gone = tuple(name for name in right if name.startswith("model/h1/"))
    yield Bad(
        "with one block for a model of two",
        "variables = {n: v for n, v in variables.items() if not n.startswith('model/h1/')}",
        {name: values for name, values in right.items() if name not in gone},
        gone,
    )
    yield Bad("with no variable at all", "variables = {}", {}, tuple(right))


def surplus() -> Iterator[Bad]:
    """Names that the table does not give, and one block too many."""
    right, _ = CASE.drawn()
    for name in _STRANGERS:
        more: Variables = {**right, name: np.ones(6, dtype=np.float32)}
        yield Bad(f"with {name}", f"variables[{name!r}] = torch.ones(6)", more, (name,))
    third = {
        name.replace("/h1/", "/h2/"): values
        for name, values in right.items()
        if name.startswith("model/h1/")
    }
    renamed = {name.replace("h1/ln_2/g", "h1/ln_2/gamma"): v for name, v in right.items()}
    yield Bad(
        "with model/h1/ln_2/gamma in place of model/h1/ln_2/g",
        "variables['model/h1/ln_2/gamma'] = variables.pop('model/h1/ln_2/g')",
        renamed,
        ("model/h1/ln_2/g",),
    )
    # Also in front: what is met first must not decide.
    for variables in ({**right, **third}, {**third, **right}):
        yield Bad(
            "with three blocks for a model of two",
            "variables |= {n.replace('/h1/', '/h2/'): v for n, v in variables.items() "
            "if '/h1/' in n}",
            variables,
            tuple(third),
        )


def misshapen() -> Iterator[Bad]:
    """Each variable in a few other shapes."""
    right, _ = CASE.drawn()
    rng = np.random.default_rng(0)
    for name, shape in shapes(CASE.size).items():
        for wrong in _other_shapes(shape):
            values = rng.normal(0.0, 0.5, wrong).astype(np.float32)
            yield Bad(
                f"with {name} of shape {list(wrong)} instead of {list(shape)}",
                f"variables[{name!r}] = torch.zeros({wrong})",
                {**right, name: values},
                (name,),
            )


def _other_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    if len(shape) == 1:
        return [(1,), (shape[0] + 1,), (1, *shape)]
    if len(shape) == 2:
        return [(shape[0] + 1, shape[1]), (shape[0] - 1, shape[1]), (1, shape[1]), shape[::-1]]
    _, rows, columns = shape
    turned = [(1, columns, rows)] if rows != columns else []
    return [*turned, (rows, columns), (1, 1, columns), (2, rows, columns)]
