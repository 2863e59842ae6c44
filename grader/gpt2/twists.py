"""The twists that a GPT-2 can be asked with: each one choice of the specification, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from grader.errors import GraderError
from grader.gpt2.specification import GPT2, Specification

WINDOW = "sliding-window"
_WINDOWS = (2, 3, 4)
_USUAL_WINDOW, _CAP = 3, 30.0
_AT_RANDOM = 2  # twists that are drawn at once


class TwistError(GraderError):
    """There is no such twist, or two do not go together. The message says what there is."""


@dataclass(frozen=True)
class Twist:
    """One choice that is not GPT-2's.

    field, value: of the specification; part: the class it is about; is_a: what has it, in words.
    """

    name: str
    field: str
    value: Any
    part: str
    is_a: str


TWISTS: tuple[Twist, ...] = (
    Twist(
        "parallel-block",
        "block",
        "parallel",
        "TransformerBlock",
        "a parallel block, x + attn(norm1(x)) + mlp(norm2(x))",
    ),
    Twist(
        "post-norm",
        "block",
        "post-norm",
        "TransformerBlock",
        "a post-norm block, x = norm1(x + attn(x)) and then x = norm2(x + mlp(x))",
    ),
    Twist(
        "sandwich-norm",
        "block",
        "sandwich-norm",
        "TransformerBlock",
        "a block with a norm before and behind each sublayer, x = x + norm2(attn(norm1(x))) and "
        "then x = x + norm4(mlp(norm3(x)))",
    ),
    Twist("rmsnorm", "norm", "rms", "TransformerBlock", "RMSNorm"),
    Twist(
        "relu-squared", "mlp", "relu-squared", "MLP", "an MLP with the square of ReLU, max(z, 0)²"
    ),
    Twist(
        "swiglu",
        "mlp",
        "swiglu",
        "MLP",
        "a SwiGLU MLP, down(silu(gate(x)) * up(x)), 8 * embed_dim // 3 wide",
    ),
    Twist(
        WINDOW,
        "window",
        _USUAL_WINDOW,
        "CausalSelfAttention",
        "attention with a sliding window of {} positions",
    ),
    Twist(
        "alibi",
        "positions",
        "alibi",
        "CausalSelfAttention",
        "a model with ALiBi, and with no other positions",
    ),
    Twist(
        "sinusoidal", "positions", "sinusoidal", "GPT2", "a model with fixed sinusoidal positions"
    ),
    Twist(
        "multi-query",
        "keys",
        "one",
        "CausalSelfAttention",
        "multi-query attention, all heads with the same keys and values",
    ),
    Twist(
        "grouped-query",
        "keys",
        "pairs",
        "CausalSelfAttention",
        "grouped-query attention, two heads with the same keys and values",
    ),
    Twist(
        "qk-norm", "qk_norm", True, "CausalSelfAttention", "attention with normed queries and keys"
    ),
    Twist("no-biases", "biases", False, "", "a model without any biases"),
    Twist(
        "soft-cap",
        "cap",
        _CAP,
        "GPT2",
        f"a model with soft-capped logits, {_CAP:g} * tanh(z / {_CAP:g})",
    ),
    Twist("tied-head", "head", "tied", "GPT2", "a head that is the token table"),
    Twist("untied-head", "head", "untied", "GPT2", "a head with a table of its own"),
)
BY_NAME = {twist.name: twist for twist in TWISTS}

# What GPT-2 has of each field, in words.
PLAIN: dict[str, str] = {
    "block": "GPT-2's own pre-norm block, x = x + attn(norm1(x)) and then x = x + mlp(norm2(x))",
    "norm": "GPT-2's own LayerNorm",
    "mlp": "GPT-2's own MLP, with GELU and 4 * embed_dim wide",
    "window": "GPT-2's own attention, which sees all that came before",
    "positions": "GPT-2's own learned position embedding",
    "keys": "GPT-2's own attention, in which every head has keys and values of its own",
    "qk_norm": "GPT-2's own attention, whose queries and keys are used as they are projected",
    "biases": "a model with biases, as GPT-2's own",
    "cap": "GPT-2's own logits, as the head gives them",
    "head": "GPT-2's own head, tied or not",
}


def named(names: Sequence[str]) -> Specification:
    """What is asked with these twists. Raises TwistError."""
    asked = GPT2
    by: dict[str, str] = {}
    for name in names:
        twist, value = _found(name)
        if twist.field in by:
            raise TwistError(
                f"expected twists that go together, found {by[twist.field]} and {name}, which "
                f"both say {_ABOUT[twist.field]}; give one of them"
            )
        by[twist.field] = name
        asked = replace(asked, **{twist.field: value})
    return asked


_ABOUT = {
    "block": "how a block is put together",
    "norm": "what its norms are",
    "mlp": "what the MLP is",
    "window": "how far a position sees",
    "positions": "where positions come from",
    "keys": "who shares keys and values",
    "qk_norm": "whether queries and keys are normed",
    "biases": "whether there are biases",
    "cap": "what happens to the logits",
    "head": "whether the head is tied",
}


def _found(name: str) -> tuple[Twist, Any]:
    """A twist and its value, of a name such as "post-norm" or "sliding-window=4"."""
    kind, _, number = name.partition("=")
    twist = BY_NAME.get(kind)
    if twist is None:
        raise TwistError(
            f"there is no twist {name!r}; there is: {', '.join(BY_NAME)} "
            f"({WINDOW}=2 to {WINDOW}=4 for other windows)"
        )
    if not number and "=" not in name:
        return twist, twist.value
    if kind != WINDOW or number not in map(str, _WINDOWS):
        raise TwistError(f"{name}: expected {kind}" + (f"=2 to {kind}=4" if kind == WINDOW else ""))
    return twist, int(number)


def names_of(asked: Specification) -> tuple[str, ...]:
    """The twists by name, in the order in which they are listed."""
    return tuple(name for twist in TWISTS if (name := _name_of(twist, asked)))


def _name_of(twist: Twist, asked: Specification) -> str:
    value = getattr(asked, twist.field)
    if twist.name == WINDOW and value:
        return WINDOW if value == twist.value else f"{WINDOW}={value}"
    return twist.name if value == twist.value else ""


def parsed(text: str) -> tuple[str, ...]:
    """Names from what was typed with commas between, in the usual order. Raises TwistError."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    return names_of(named(names))


def drawn(seed: int) -> tuple[str, ...]:
    """Two twists that go together."""
    rng = np.random.default_rng(seed)
    while True:
        chosen = rng.choice(len(TWISTS), _AT_RANDOM, replace=False)
        if len({TWISTS[n].field for n in chosen}) == _AT_RANDOM:
            return names_of(named([TWISTS[n].name for n in sorted(chosen)]))


def values(field: str) -> tuple[Any, ...]:
    """What a field may be asked to be."""
    return _WINDOWS if field == "window" else tuple(t.value for t in TWISTS if t.field == field)


def words(field: str, asked: Specification) -> str:
    """What a specification has of a field, in words."""
    value = getattr(asked, field)
    if value == getattr(GPT2, field):
        return PLAIN[field]
    twist = next(t for t in TWISTS if t.field == field and t.value in (value, _USUAL_WINDOW))
    return twist.is_a.format(value)


def causes(asked: Specification, found: Specification) -> tuple[str, ...]:
    """Slugs for what is found in place of what is asked."""
    slugs = []
    for field in fields(Specification):
        wanted, value = getattr(asked, field.name), getattr(found, field.name)
        if wanted == value:
            continue
        plain = value == getattr(GPT2, field.name)
        of, told = (wanted, "without") if plain else (value, "unasked")
        slugs.append(f"{told}-{_kind(field.name, of)}")
    return tuple(slugs)


def _kind(field: str, value: Any) -> str:
    return (
        WINDOW
        if field == "window"
        else next(t.name for t in TWISTS if t.field == field and t.value == value)
    )


def explanation(slug: str, asked: Specification) -> str:
    """What a slug of these says of a submission; "" for any other slug."""
    told, _, name = slug.partition("-")
    if told not in ("without", "unasked") or name not in BY_NAME:
        return ""
    field = BY_NAME[name].field
    found = PLAIN[field] if told == "without" else BY_NAME[name].is_a.format("some")
    if field == "head":
        found = {"tied": "a head with a table of its own", "untied": "a tied head"}[asked.head]
    return f"This is {found}; the brief asks for {words(field, asked)}."
