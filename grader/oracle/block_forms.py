"""How a block can be wired: GPT-2's way, and the ways that are taken for it.

A form is written over functions, so that a candidate's own attention and MLP can stand in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grader.oracle.model import Floats

Function = Callable[[Floats], Floats]


@dataclass(frozen=True)
class BlockForm:
    """compute(x, attention, mlp, norm 1, norm 2), its formula, and what it gets wrong.

    cause: the slug of the deviation, empty for GPT-2's own; violates: requirements not met, of
    "pre_norm", "norms", "residuals", "order".
    """

    cause: str
    violates: frozenset[str]
    formula: str
    compute: Callable[[Floats, Function, Function, Function, Function], Floats]


def _gpt2(x: Floats, a: Function, m: Function, n1: Function, n2: Function) -> Floats:
    x = x + a(n1(x))
    return x + m(n2(x))


def _form(
    cause: str,
    violates: str,
    formula: str,
    compute: Callable[[Floats, Function, Function, Function, Function], Floats],
) -> BlockForm:
    return BlockForm(cause, frozenset(violates.split()), formula, compute)


def _sequential(first: str, second: str) -> Callable[..., Floats]:
    """A block of two sublayers, each wired in one of the _SITES ways."""

    def compute(x: Floats, a: Function, m: Function, n1: Function, n2: Function) -> Floats:
        return _SITES[second](_SITES[first](x, a, n1), m, n2)

    return compute


_SITES: dict[str, Callable[[Floats, Function, Function], Floats]] = {
    "right": lambda x, f, n: x + f(n(x)),
    "post": lambda x, f, n: n(x + f(x)),
    "after": lambda x, f, n: x + n(f(x)),
    "bare": lambda x, f, n: x + f(x),
    "lost": lambda x, f, n: f(n(x)),
    "nothing": lambda x, f, n: f(x),
    "normed": lambda x, f, n: n(x) + f(n(x)),
    "double": lambda x, f, n: 2 * x + f(n(x)),
    "half": lambda x, f, n: 0.5 * x + f(n(x)),
    "half branch": lambda x, f, n: x + 0.5 * f(n(x)),
    "twice": lambda x, f, n: x + f(f(n(x))),
    "repeated": lambda x, f, n: x + f(n(x)) + f(n(x + f(n(x)))),
    "again": lambda x, f, n: x + n(x) + f(n(x)),
    "absent": lambda x, f, n: x,
}

# What is wrong with a sublayer wired that way: cause, requirement, and where to see it.
_SITE_FAULTS = {
    "post": ("post-norm", "pre_norm", "x = norm(x + {f}(x))"),
    "after": ("post-norm", "pre_norm", "x = x + norm({f}(x))"),
    "bare": ("norm-missing-{n}", "pre_norm norms", "x = x + {f}(x)"),
    "lost": ("residual-missing-{f}", "residuals", "x = {f}(norm(x))"),
    "nothing": ("residual-missing-{f}", "residuals pre_norm", "x = {f}(x)"),
    "normed": ("residual-from-normed", "residuals", "x = norm(x); x = x + {f}(x)"),
    "double": ("double-residual", "residuals", "x = x + x + {f}(norm(x))"),
    "half": ("double-residual", "residuals", "x = 0.5 * x + {f}(norm(x))"),
    "half branch": ("double-residual", "residuals", "x = x + 0.5 * {f}(norm(x))"),
    "twice": ("double-residual", "order", "x = x + {f}({f}(norm(x)))"),
    "repeated": ("double-residual", "order", "x = x + {f}(norm(x)), twice"),
    "again": ("double-residual", "residuals", "x = x + norm(x) + {f}(norm(x))"),
    "absent": ("no-{f}", "order", "no {f} at all"),
}


def _faulty_forms() -> list[BlockForm]:
    forms = []
    for site, (cause, violates, formula) in _SITE_FAULTS.items():
        both = cause.format(f="attn", n=1), formula.format(f="f")
        for number, name in ((1, "attn"), (2, "mlp")):
            ways = (site, "right") if number == 1 else ("right", site)
            named = cause.format(f=name, n=number)
            forms.append(_form(named, violates, formula.format(f=name), _sequential(*ways)))
        if site not in ("twice", "repeated", "absent"):
            at_both = f"{both[1]} for attn and for mlp"
            forms.append(_form(both[0], violates, at_both, _sequential(site, site)))
    return forms


GPT2_FORM = _form("", "", "x = x + attn(norm(x)); x = x + mlp(norm(x))", _gpt2)

DEVIANT_FORMS: tuple[BlockForm, ...] = (
    *_faulty_forms(),
    _form(
        "norm-shared",
        "norms",
        "one norm for both sublayers",
        lambda x, a, m, n1, n2: _gpt2(x, a, m, n1, n1),
    ),
    _form(
        "parallel-block",
        "order",
        "x = x + attn(norm1(x)) + mlp(norm2(x))",
        lambda x, a, m, n1, n2: x + a(n1(x)) + m(n2(x)),
    ),
    _form(
        "parallel-block",
        "order norms",
        "x = x + attn(norm(x)) + mlp(norm(x))",
        lambda x, a, m, n1, n2: x + a(n1(x)) + m(n1(x)),
    ),
    _form(
        "residual-missing-attn",
        "residuals",
        "one residual around both: x = x + mlp(norm2(attn(norm1(x))))",
        lambda x, a, m, n1, n2: x + m(n2(a(n1(x)))),
    ),
    _form(
        "residual-missing-attn",
        "residuals",
        "the second residual adds the block's input: y = x + mlp(norm2(x + attn(norm1(x))))",
        lambda x, a, m, n1, n2: x + m(n2(x + a(n1(x)))),
    ),
    _form(
        "double-residual",
        "residuals",
        "the block's input is added once more at the end",
        lambda x, a, m, n1, n2: x + _gpt2(x, a, m, n1, n2),
    ),
    _form(
        "norm-missing-2",
        "pre_norm",
        "the second residual starts from the normed stream: "
        "x = norm2(x + attn(norm1(x))); x = x + mlp(x)",
        lambda x, a, m, n1, n2: (h := n2(x + a(n1(x)))) + m(h),
    ),
    _form(
        "post-norm",
        "pre_norm",
        "a norm on the block's output: norm2(x + attn(norm1(x)) + mlp(…))",
        lambda x, a, m, n1, n2: n2((h := x + a(n1(x))) + m(h)),
    ),
    _form(
        "order-swapped",
        "order",
        "mlp first, then attn",
        lambda x, a, m, n1, n2: _gpt2(x, m, a, n1, n2),
    ),
    _form(
        "order-swapped",
        "order",
        "mlp first, then attn",
        lambda x, a, m, n1, n2: _gpt2(x, m, a, n2, n1),
    ),
)
