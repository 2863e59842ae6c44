"""Calls of the brief's classes that give two arguments in each other's place."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import combinations

from grader.gpt2 import sizes

_ORDERS = {name: (*every[0], "dropout_p") for name, every in sizes.BY_CLASS.items()}


def swapped(files: Mapping[str, bytes], inside: str) -> str:
    """What is said of the first such call in the class called `inside`; "" if there is none."""
    for file, text in files.items():
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            for call, name in _calls(text.decode("utf-8"), inside):
                pair = _exchanged(call, _ORDERS[name])
                if pair:
                    return (
                        f"{inside} gives {name} its arguments {pair[0]} and {pair[1]} in each "
                        f"other's place ({file}, line {call.lineno}: {ast.unparse(call)}); the "
                        f"brief's order is ({', '.join(_ORDERS[name])})."
                    )
    return ""


def out_of_order(signature: str, name: str) -> tuple[str, str] | None:
    """Two arguments of the brief's that a constructor takes in each other's place."""
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        function = ast.parse(f"def f{signature}: ...").body[0]
        assert isinstance(function, ast.FunctionDef)
        return _moved([argument.arg for argument in function.args.args], _ORDERS[name])
    return None


def _calls(source: str, inside: str) -> Iterator[tuple[ast.Call, str]]:
    """Calls of the four classes in one of them, each with the name of what it calls."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == inside:
            for call in ast.walk(node):
                function = call.func if isinstance(call, ast.Call) else None
                if isinstance(function, ast.Name) and function.id in _ORDERS:
                    assert isinstance(call, ast.Call)
                    yield call, function.id


def _exchanged(call: ast.Call, order: Sequence[str]) -> tuple[str, str] | None:
    given = [_name(argument) for argument in call.args]
    pair = _moved(given, order)
    if pair:
        return pair
    named = {word.arg: _name(word.value) for word in call.keywords if word.arg}
    for first, second in combinations(order, 2):
        if named.get(first) == second and named.get(second) == first:
            return first, second
    return None


def _moved(given: Sequence[str], order: Sequence[str]) -> tuple[str, str] | None:
    """Two names that stand where the order has each other."""
    places = {name: number for number, name in enumerate(given[: len(order)])}
    for first, second in combinations(order, 2):
        if places.get(first) == order.index(second) and places.get(second) == order.index(first):
            return first, second
    return None


def _name(node: ast.expr) -> str:
    """A plain name, or that of an attribute such as self.num_heads."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
