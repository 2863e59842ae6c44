"""Wrong ways to read a checkpoint: each is a right reading of other variables, made from these."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from grader.exercises.pretrained.oracle import HEAD, HEAD_BIAS, Size, Variables

_Values = NDArray[np.floating]
_Change = Callable[[Variables, Size, float], Variables]
_MATRICES = ("attn/c_attn/w", "attn/c_proj/w", "mlp/c_fc/w", "mlp/c_proj/w")
_BIASES = ("attn/c_attn/b", "attn/c_proj/b", "mlp/c_fc/b", "mlp/c_proj/b")
_NORMS = ("ln_1", "ln_2", "ln_f")
_NORM_BIASES = tuple(f"{norm}/b" for norm in _NORMS)
_GAINS = tuple(f"{norm}/g" for norm in _NORMS)


@dataclass(frozen=True)
class Form:
    """A wrong reading.

    slug: of the bug; words: what it does to which variables; change: gives the variables of which
    it is the right reading, from the right ones, the size, and what the weights were before.
    """

    slug: str
    words: str
    change: _Change


def forms() -> Iterator[Form]:
    """All of them, the plain ones first."""
    yield from _matrices()
    yield from _heads()
    yield from _swaps()
    yield from _layers()
    yield from _left_out()
    yield from _values()


def _each(endings: tuple[str, ...], change: Callable[[_Values], _Values]) -> _Change:
    """A change of all variables whose names end so."""

    def changed(variables: Variables, size: Size, before: float) -> Variables:
        return {n: change(v) if n.endswith(endings) else v for n, v in variables.items()}

    return changed


def _matrices() -> Iterator[Form]:
    # Reshaped to (n_out, n_in), and from there to (n_in, n_out): of a square, its transpose.
    def there(w: _Values) -> _Values:
        return w.reshape(w.shape[:0:-1]).T[None]

    def back(w: _Values) -> _Values:
        return w[0].T.reshape(w.shape)

    yield Form(
        "square-not-transposed", "attn/c_proj/w transposed", _each(("attn/c_proj/w",), there)
    )
    groups: list[tuple[str, ...]] = [(name,) for name in _MATRICES if name != "attn/c_proj/w"]
    groups += [_MATRICES, _MATRICES[2:], _MATRICES[1:], (_MATRICES[0], *_MATRICES[2:])]
    for names in groups:
        words = f"{', '.join(names)} reshaped rather than transposed"
        yield Form("matrices-reshaped", words, _each(names, there))
        words = f"{', '.join(names)} transposed and reshaped back"
        yield Form("matrices-reshaped", words, _each(names, back))


def _heads() -> Iterator[Form]:
    """Columns of c_attn taken for others: as [role, head, dimension] in another order."""
    endings = (
        ("c_attn/w", "c_attn/b"),
        ("c_attn/w",),
        ("c_attn/b",),
    )
    for names in endings:
        words = " and ".join(f"attn/{name}" for name in names)
        for order in list(permutations(range(3)))[1:]:
            roles = "".join("qkv"[role] for role in order)
            yield Form("qkv-order", f"{words} read as {roles}", _roles(names, order))
        for axes in list(permutations(range(3)))[1:]:
            letters = ", ".join(("3", "num_heads", "head_dim")[axis] for axis in axes)
            change = _axes(names, axes)
            yield Form("heads-interleaved", f"{words} read as columns [{letters}]", change)
    swapped = _out_heads()
    yield Form("heads-interleaved", "attn/c_proj/w read as rows [head_dim, num_heads]", swapped)


def _roles(endings: tuple[str, ...], order: tuple[int, ...]) -> _Change:
    def change(values: _Values) -> _Values:
        thirds = np.split(values, 3, axis=-1)
        return np.concatenate([thirds[role] for role in order], axis=-1)

    return _each(endings, change)


def _axes(endings: tuple[str, ...], axes: tuple[int, ...]) -> _Change:
    def changed(variables: Variables, size: Size, before: float) -> Variables:
        right = (3, size["num_heads"], size["embed_dim"] // size["num_heads"])
        read_as = tuple(right[axis] for axis in axes)
        back = tuple(int(axis) for axis in np.argsort(axes))

        def change(values: _Values) -> _Values:
            front = values.shape[:-1]
            apart = values.reshape(-1, *read_as).transpose(0, *(1 + axis for axis in back))
            return apart.reshape(*front, -1)

        return _each(endings, change)(variables, size, before)

    return changed


def _out_heads() -> _Change:
    def changed(variables: Variables, size: Size, before: float) -> Variables:
        heads = size["num_heads"]

        def change(w: _Values) -> _Values:
            apart = w.reshape(-1, heads, w.shape[-1])
            return apart.transpose(1, 0, 2).reshape(w.shape)

        return _each(("attn/c_proj/w",), change)(variables, size, before)

    return changed


def _swaps() -> Iterator[Form]:
    """Variables of one shape taken for one another."""
    for norms in (("ln_1", "ln_2", "ln_f"), ("ln_1", "ln_2"), *((n,) for n in _NORMS)):
        pairs = tuple((f"{norm}/g", f"{norm}/b") for norm in norms)
        words = f"g and b of {', '.join(norms)} swapped"
        yield Form("gain-bias-swapped", words, _swapped(pairs))
    for kinds in (("g", "b"), ("g",), ("b",)):
        pairs = tuple((f"ln_1/{kind}", f"ln_2/{kind}") for kind in kinds)
        words = f"ln_1 and ln_2 swapped ({', '.join(kinds)})"
        yield Form("norms-swapped", words, _swapped(pairs))
    pairs = (("attn/c_proj/b", "mlp/c_proj/b"),)
    yield Form("biases-mixed-up", "attn/c_proj/b and mlp/c_proj/b swapped", _swapped(pairs))
    for source, target in (
        *((norm, other) for norm in _NORMS[:2] for other in _NORMS[:2] if norm != other),
        *(("attn/c_proj/b", "mlp/c_proj/b"), ("mlp/c_proj/b", "attn/c_proj/b")),
    ):
        slug = "biases-mixed-up" if "proj" in source else "norms-swapped"
        yield Form(slug, f"{source} used for {target} too", _copied(source, target))


def _swapped(pairs: tuple[tuple[str, str], ...]) -> _Change:
    """Each pair of endings exchanged, within a block."""

    def other(name: str) -> str:
        for one, two in pairs:
            if name.endswith(one):
                return name.removesuffix(one) + two
            if name.endswith(two):
                return name.removesuffix(two) + one
        return name

    return lambda variables, size, before: {name: variables[other(name)] for name in variables}


def _copied(source: str, target: str) -> _Change:
    def changed(variables: Variables, size: Size, before: float) -> Variables:
        return {name: variables[name.replace(target, source)] for name in variables}

    return changed


def _layers() -> Iterator[Form]:
    """Blocks in other places; those of which there is none keep what they had."""
    orders: tuple[tuple[str, Callable[[int], list[int | None]]], ...] = (
        ("by name: h0, h1, h10, h11, h2, …", lambda n: [*sorted(range(n), key=str)]),
        ("last first", lambda n: [*reversed(range(n))]),
        ("second, third, …, first", lambda n: [*range(1, n), 0]),
        ("last, first, second, …", lambda n: [n - 1, *range(n - 1)]),
    )
    for words, order in orders:
        yield Form("layers-out-of-order", f"the blocks in order {words}", _ordered(order))
    alike: tuple[tuple[str, Callable[[int], list[int | None]]], ...] = (
        ("all blocks get h0", lambda n: [0] * n),
        ("all blocks get the last one's variables", lambda n: [n - 1] * n),
        ("only h0 is loaded", lambda n: [0, *[None] * (n - 1)]),
        ("the last block is not loaded", lambda n: [*range(n - 1), None]),
        ("the first block is not loaded", lambda n: [None, *range(1, n)]),
        (
            "only the first ten blocks are loaded",
            lambda n: [i if i < 10 else None for i in range(n)],
        ),
        (
            "h10 and on get what h1 has",
            lambda n: [i if i < 10 else int(str(i)[0]) for i in range(n)],
        ),
        ("h10 and on get what h0, h1, … have", lambda n: [i % 10 for i in range(n)]),
    )
    for words, order in alike:
        yield Form("layers-not-all-loaded", words, _ordered(order))


def _ordered(order: Callable[[int], list[int | None]]) -> _Change:
    def changed(variables: Variables, size: Size, before: float) -> Variables:
        found = {n: v for n, v in variables.items() if not n.startswith("model/h")}
        for place, source in enumerate(order(size["num_layers"])):
            own = f"model/h{place}/"
            for name in [n for n in variables if n.startswith(own)]:
                rest = name.removeprefix(own)
                other = variables[name if source is None else f"model/h{source}/{rest}"]
                found[name] = np.full_like(other, before) if source is None else other
        return found

    return changed


def _left_out() -> Iterator[Form]:
    """Variables that are not loaded: there stays what was, or what some initialisation left."""
    yield Form("head-not-loaded", "the head keeps its weights", _head)
    yield Form("head-bias-left", "the head's bias keeps its values", _head_bias)
    single = ("wte", "wpe", *_MATRICES, *_BIASES, *_GAINS, *_NORM_BIASES)
    groups: tuple[tuple[str, ...], ...] = (
        *((name,) for name in single),
        _BIASES,
        (*_BIASES, *_NORM_BIASES),
        _NORM_BIASES,
        _GAINS,
        (*_GAINS, *_NORM_BIASES),
        _GAINS[:2] + _NORM_BIASES[:2],
        ("ln_f/g", "ln_f/b"),
        ("wte", "wpe"),
        ("wte", "wpe", *_MATRICES),
        tuple(n for n in (*_MATRICES, *_BIASES) if n.startswith("attn")),
        tuple(n for n in (*_MATRICES, *_BIASES) if n.startswith("mlp")),
        single,
    )
    for names in groups:
        words = "nothing is loaded" if names == single else f"{', '.join(names)} not loaded"
        yield Form("variables-not-loaded", words, _kept(names))
        for value in (0.0, 1.0) if names[0].endswith("/g") else (0.0,):
            zeros = f"{', '.join(names)} not loaded, but {value:g}"
            yield Form("variables-not-loaded", zeros, _each(names, _constant(value)))
    for role, letter in ((0, "q"), (2, "v")):  # that of k never matters
        words = f"the bias of {letter} not loaded"
        yield Form("variables-not-loaded", words, _third(role, None))
        yield Form("variables-not-loaded", f"{words}, but 0", _third(role, 0.0))


def _head(variables: Variables, size: Size, before: float) -> Variables:
    return {**variables, HEAD: np.full_like(variables["model/wte"], before)}


def _head_bias(variables: Variables, size: Size, before: float) -> Variables:
    return {**variables, HEAD_BIAS: np.full(size["vocab_size"], before)}


def _kept(endings: tuple[str, ...]) -> _Change:
    def changed(variables: Variables, size: Size, before: float) -> Variables:
        return _each(endings, _constant(before))(variables, size, before)

    return changed


def _constant(value: float) -> Callable[[_Values], _Values]:
    return lambda values: np.full_like(values, value)


def _third(role: int, value: float | None) -> _Change:
    def changed(variables: Variables, size: Size, before: float) -> Variables:
        def change(values: _Values) -> _Values:
            thirds = np.split(values, 3)
            stays = before if value is None else value
            thirds[role] = np.full_like(thirds[role], stays)
            return np.concatenate(thirds)

        return _each(("attn/c_attn/b",), change)(variables, size, before)

    return changed


def _values() -> Iterator[Form]:
    """All variables changed on the way."""
    yield Form("precision-lost", "rounded to float16", _each(("",), _half))
    yield Form("precision-lost", "rounded to bfloat16", _each(("",), _bfloat))
    yield Form("added-to-what-was", "added to what the model had", _added)


def _half(values: _Values) -> _Values:
    return values.astype(np.float16).astype(np.float32)


def _bfloat(values: _Values) -> _Values:
    """The nearest number with 8 bits of fraction; ties go to the even one."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) & np.uint64(0xFFFF0000)
    return rounded.astype(np.uint32).view(np.float32).reshape(values.shape)


def _added(variables: Variables, size: Size, before: float) -> Variables:
    return {name: values + before for name, values in variables.items()}
