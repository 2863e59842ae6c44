"""Which statements of a text its classes need: the rest only runs something."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Collection, Iterator

_BINDS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def needed_only(text: str, tree: ast.Module, names: Collection[str]) -> str:
    """The text with all blanked that neither `names` nor a module of its own (nn.Module) needs."""
    stores = [set(_stored(statement)) for statement in tree.body]
    wanted = {name for names_ in stores for name in names_ if name in names}
    wanted |= {s.name for s in tree.body if isinstance(s, ast.ClassDef) and _is_module(s, tree)}
    if not wanted:
        return text
    kept = {number for number, statement in enumerate(tree.body) if _is_always_kept(statement)}
    waiting = set(wanted)
    while waiting:
        name = waiting.pop()
        for number, statement in enumerate(tree.body):
            if number not in kept and name in stores[number]:
                kept.add(number)
                new = _loaded(statement) - wanted
                wanted |= new
                waiting |= new
    left = {line for number in kept for line in _lines(tree.body[number])}
    gone = {line for statement in tree.body for line in _lines(statement)} - left
    lines = text.split("\n")
    return "\n".join("" if number in gone else line for number, line in enumerate(lines, 1))


def _lines(statement: ast.stmt) -> range:
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(node.lineno for node in decorators)])
    return range(first, (statement.end_lineno or first) + 1)


def future_imports(tree: ast.Module) -> list[str]:
    """What a text imports from __future__."""
    return [
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    ]


def _is_always_kept(statement: ast.stmt) -> bool:
    """What may bind names that cannot be seen, or changes how the rest is read."""
    if not isinstance(statement, ast.ImportFrom):
        return False
    return statement.module == "__future__" or any(a.name == "*" for a in statement.names)


def _is_module(node: ast.ClassDef, tree: ast.Module) -> bool:
    """Whether a class is derived from an nn.Module, directly or through others of the text."""
    known = {s.name: s for s in tree.body if isinstance(s, ast.ClassDef)}
    waiting, seen = [node], {node.name}
    while waiting:
        for base in waiting.pop().bases:
            name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
            if name.endswith("Module"):
                return True
            if name in known and name not in seen:
                seen.add(name)
                waiting.append(known[name])
    return False


def _stored(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement binds at the top level, and those of what it sets attributes of."""
    if isinstance(statement, _BINDS):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            inner: ast.expr = node
            while isinstance(inner, ast.Attribute | ast.Subscript):
                inner = inner.value
            if isinstance(inner, ast.Name):
                yield inner.id
        elif isinstance(node, _BINDS):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0]


def _loaded(statement: ast.stmt) -> set[str]:
    """Names of the top level that a statement uses, or that functions and classes in it will."""
    try:
        top = symtable.symtable(ast.unparse(statement), "cell", "exec")
    except (SyntaxError, RecursionError):  # it will not run either
        return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    found = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()}
    waiting = list(top.get_children())
    while waiting:
        table = waiting.pop()
        found |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
        waiting += table.get_children()
    return found
