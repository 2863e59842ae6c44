"""How a block can be wired: GPT-2's way, and the ways that are taken for it.

A form is written over functions, so that a candidate's own attention and MLP can stand in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grader.gpt2.oracle import Floats
from grader.gpt2.specification import Block

Function = Callable[[Floats], Floats]


@dataclass(frozen=True)
class BlockForm:
    """compute(x, attention, mlp, norm 1, norm 2, …), its formula, and what it gets wrong.

    causes: the slugs of the deviations, none for GPT-2's own; violates: requirements not met, of
    "pre_norm", "norms", "residuals", "order".
    """

    causes: tuple[str, ...]
    violates: frozenset[str]
    formula: str
    compute: Callable[..., Floats]
    norms: int = 2


def _gpt2(x: Floats, a: Function, m: Function, n1: Function, n2: Function) -> Floats:
    x = x + a(n1(x))
    return x + m(n2(x))


def _form(
    cause: str,
    violates: str,
    formula: str,
    compute: Callable[[Floats, Function, Function, Function, Function], Floats],
) -> BlockForm:
    return BlockForm(tuple(cause.split()), frozenset(violates.split()), formula, compute)


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
    "post lost": lambda x, f, n: n(f(x)),
    "normed": lambda x, f, n: n(x) + f(n(x)),
    "double": lambda x, f, n: 2 * x + f(n(x)),
    "half": lambda x, f, n: 0.5 * x + f(n(x)),
    "twice": lambda x, f, n: x + f(f(n(x))),
    "repeated": lambda x, f, n: x + f(n(x)) + f(n(x + f(n(x)))),
    "again": lambda x, f, n: x + n(x) + f(n(x)),
    "absent": lambda x, f, n: x,
}

# What is wrong with a sublayer wired that way: cause, requirement, and where to see it.
_SITE_FAULTS = {
    "absent": ("no-{f}", "order residuals", "no {f} at all"),
    "post": ("post-norm", "pre_norm", "x = norm(x + {f}(x))"),
    "after": ("post-norm", "pre_norm", "x = x + norm({f}(x))"),
    "bare": ("norm-missing-{n}", "pre_norm norms", "x = x + {f}(x)"),
    "lost": ("residual-missing-{f}", "residuals", "x = {f}(norm(x))"),
    "nothing": ("residual-missing-{f} norm-missing-{n}", "residuals pre_norm norms", "x = {f}(x)"),
    "post lost": ("post-norm residual-missing-{f}", "pre_norm residuals", "x = norm({f}(x))"),
    "normed": ("residual-from-normed", "residuals", "x = norm(x); x = x + {f}(x)"),
    "double": ("double-residual", "residuals", "x = x + x + {f}(norm(x))"),
    "half": ("double-residual", "residuals", "x = 0.5 * x + {f}(norm(x))"),
    "twice": ("double-residual", "order", "x = x + {f}({f}(norm(x)))"),
    "repeated": ("double-residual", "order", "x = x + {f}(norm(x)), twice"),
    "again": ("double-residual", "residuals", "x = x + norm(x) + {f}(norm(x))"),
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


def _sandwich(x: Floats, a: Function, m: Function, *norms: Function) -> Floats:
    n1, n2, n3, n4 = norms
    x = x + n2(a(n1(x)))
    return x + n4(m(n3(x)))


# What may be asked in place of it.
BLOCKS: dict[Block, BlockForm] = {
    "pre-norm": GPT2_FORM,
    "post-norm": _form(
        "",
        "",
        "x = norm1(x + attn(x)); x = norm2(x + mlp(x))",
        _sequential("post", "post"),
    ),
    "sandwich-norm": BlockForm(
        (),
        frozenset(),
        "x = x + norm2(attn(norm1(x))); x = x + norm4(mlp(norm3(x)))",
        _sandwich,
        norms=4,
    ),
    "parallel": _form(
        "",
        "",
        "x = x + attn(norm1(x)) + mlp(norm2(x))",
        lambda x, a, m, n1, n2: x + a(n1(x)) + m(n2(x)),
    ),
}

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
        "no-mlp",
        "order residuals",
        "x = x + attn(norm1(x)); x = x + attn(norm2(x)): attention twice, no mlp",
        lambda x, a, m, n1, n2: _gpt2(x, a, a, n1, n2),
    ),
    _form(
        "no-attn",
        "order residuals",
        "x = x + mlp(norm1(x)); x = x + mlp(norm2(x)): the mlp twice, no attn",
        lambda x, a, m, n1, n2: _gpt2(x, m, m, n1, n2),
    ),
    _form(
        "leak-via-sequence-mean",
        "pre_norm",
        "the mean over the sequence is taken off what attn reads",
        lambda x, a, m, n1, n2: _gpt2(x, lambda h: a(h - h.mean(1, keepdims=True)), m, n1, n2),
    ),
    _form(
        "leak-via-sequence-mean",
        "pre_norm",
        "the mean over the sequence is taken off what mlp reads",
        lambda x, a, m, n1, n2: _gpt2(x, a, lambda h: m(h - h.mean(1, keepdims=True)), n1, n2),
    ),
    _form(
        "leak-via-sequence-mean",
        "pre_norm",
        "the mean over the sequence is taken off the stream",
        lambda x, a, m, n1, n2: _gpt2(x - x.mean(1, keepdims=True), a, m, n1, n2),
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


def _site(site: str, number: int, name: str) -> tuple[str, str, str]:
    """Cause, requirement and formula of a sublayer wired that way."""
    cause, violates, formula = _SITE_FAULTS[site]
    return cause.format(f=name, n=number), violates, formula.format(f=name)


def _pairs() -> Iterator[BlockForm]:
    """A slip at each of the two sublayers, or one around the wiring of both."""
    for first, second in itertools.permutations(_SITE_FAULTS, 2):
        (one, fails, formula), (two, also, other) = _site(first, 1, "attn"), _site(second, 2, "mlp")
        violates = frozenset(f"{fails} {also}".split())
        both = f"{formula}; {other}"
        causes = tuple(dict.fromkeys(f"{one} {two}".split()))
        yield BlockForm(causes, violates, both, _sequential(first, second))
    for first, second in itertools.product(_SITE_FAULTS, repeat=2):
        (one, fails, formula), (two, also, other) = _site(first, 1, "mlp"), _site(second, 2, "attn")
        yield BlockForm(
            tuple(dict.fromkeys(("order-swapped", *one.split(), *two.split()))),
            frozenset(f"order {fails} {also}".split()),
            f"{formula}; {other}",
            _swapped(_sequential(first, second)),
        )


def form_of(first: str, second: str) -> BlockForm:
    """The form of a block whose sublayers are wired in these ways: "right", or a fault."""
    causes, violates, formulas = [], set(), []
    for site, number, name in ((first, 1, "attn"), (second, 2, "mlp")):
        if site != "right":
            cause, fails, formula = _site(site, number, name)
            causes.append(cause)
            violates.update(fails.split())
            formulas.append(formula)
    if not causes:
        return GPT2_FORM
    compute = _sequential(first, second)
    return BlockForm(tuple(causes), frozenset(violates), "; ".join(formulas), compute)


def _swapped(compute: Callable[..., Floats]) -> Callable[..., Floats]:
    def swapped(x: Floats, a: Function, m: Function, n1: Function, n2: Function) -> Floats:
        return compute(x, m, a, n1, n2)

    return swapped


def _one_norm(compute: Callable[..., Floats]) -> Callable[..., Floats]:
    def shared(x: Floats, a: Function, m: Function, n1: Function, n2: Function) -> Floats:
        return compute(x, a, m, n1, n1)

    return shared


PAIRED_FORMS: tuple[BlockForm, ...] = (
    *_pairs(),
    *(
        BlockForm(
            ("norm-shared", *form.causes),
            form.violates | {"norms"},
            f"one norm for both; {form.formula}",
            _one_norm(form.compute),
        )
        for form in DEVIANT_FORMS
        if "norms" not in form.violates
    ),
)
