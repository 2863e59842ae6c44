"""Statements at the top level of a file: which names each binds, changes and looks up."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Importing = ast.Import | ast.ImportFrom
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
# With these in it, code may reach whatever the file has.
OPAQUE = frozenset({"globals", "eval", "exec"})
ALL = "*"  # every name, as in `from layers import *`


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a file.

    binds: names that it defines, imports or assigns; changes: names of things of which it sets a
    part (`X.a = …`, `X[0] = …`, `X.append(…)`, `setattr(X, …)`); loads: names that it looks up,
    now or when what it defines is called; uses: the same without annotations; outer: imports that
    run with it; inner: those in functions.
    """

    file: str
    node: ast.stmt
    binds: frozenset[str]
    changes: frozenset[str]
    loads: frozenset[str]
    uses: frozenset[str]
    outer: tuple[Importing, ...]
    inner: tuple[Importing, ...]

    @property
    def imports(self) -> tuple[Importing, ...]:
        """Those at any depth."""
        return self.outer + self.inner

    @property
    def asked(self) -> dict[str, set[str]]:
        """Attributes of each name that it uses, with ALL where it is used in any other way."""
        return _asked(self.node)

    @property
    def first_line(self) -> int:
        """The line on which it begins, with its decorators."""
        decorators = getattr(self.node, "decorator_list", [])
        return min(node.lineno for node in (self.node, *decorators))


def statements(file: str, tree: ast.Module) -> Iterator[Statement]:
    """The statements of a file that run when it is imported. Raises RecursionError."""
    for node in _live(tree.body):
        outer = tuple(n for n in at_level(node) if isinstance(n, Importing))
        every = (n for n in ast.walk(node) if isinstance(n, Importing))
        loads = frozenset(_looked_up(node, annotations=True))
        uses = frozenset(_looked_up(node, annotations=False))
        yield Statement(
            file,
            node,
            frozenset(_bound(node)),
            frozenset(_changed(node)),
            loads,
            uses if uses != loads else loads,  # one set, not two: a file may have very many
            outer,
            tuple(n for n in every if n not in outer),
        )


def _live(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Without what is below `if __name__ == "__main__":` and `if TYPE_CHECKING:`, and constants."""
    for node in body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.If) and _never_holds(node.test):
            yield from _live(node.orelse)
        else:
            yield node


def _never_holds(test: ast.expr) -> bool:
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq):
        sides = (test.left, *test.comparators)
        return {"'__main__'", "__name__"} <= {ast.unparse(s) for s in sides if _is_short(s)}
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def _is_short(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Constant)


def at_level(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run together with this one: not what is inside of functions and classes."""
    waiting: list[ast.AST] = [node]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, _Definition):
            waiting += node.decorator_list
        elif not isinstance(node, ast.Lambda | _Comprehension):
            waiting += ast.iter_child_nodes(node)


def imported(node: Importing) -> dict[str, ast.alias]:
    """The names that an import binds."""
    whole = isinstance(node, ast.Import)
    return {a.asname or (a.name.split(".")[0] if whole else a.name): a for a in node.names}


def _bound(statement: ast.stmt) -> set[str]:
    """Names that the statement binds in its file, also through `global` in a function."""
    found = {name for node in at_level(statement) for name in _bound_by(node)}
    return found | {
        name for node in ast.walk(statement) if isinstance(node, ast.Global) for name in node.names
    }


def _bound_by(node: ast.AST) -> Iterable[str]:
    if isinstance(node, ast.Name):
        return [] if isinstance(node.ctx, ast.Load) else [node.id]
    if isinstance(node, _Definition):
        return [node.name]
    if isinstance(node, Importing):
        return imported(node)
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        return [node.name] if node.name else []
    if isinstance(node, ast.MatchMapping):
        return [node.rest] if node.rest else []
    return []


def _changed(statement: ast.stmt) -> set[str]:
    found: set[str] = set()
    for node in at_level(statement):
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            found.add(root(node))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found.add(root(node.func))
        elif isinstance(node, ast.Call) and node.args and root(node.func).endswith("attr"):
            found.add(root(node.args[0]))  # setattr and delattr
    return found - {""}


def root(node: ast.AST) -> str:
    """`a` of `a.b[c].d`; "" if there is no name at the root."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _asked(statement: ast.stmt) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    bases: set[int] = set()
    for node in ast.walk(statement):  # which comes to what is around a node first
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.setdefault(node.value.id, set()).add(node.attr)
            bases.add(id(node.value))
        elif isinstance(node, ast.Name) and id(node) not in bases:
            found.setdefault(node.id, set()).add(ALL)
    return found


def _looked_up(statement: ast.stmt, annotations: bool) -> set[str]:
    """All names that are looked up in the file's own names."""
    return _free([statement], set(), annotations, is_function=False)


def _free(
    body: Sequence[ast.AST], bound: set[str], annotations: bool, is_function: bool = True
) -> set[str]:
    """Names looked up in a scope and in those inside it that it does not bind itself.

    bound: its parameters. Only what a function binds is out of reach of others.
    """
    loads: set[str] = set()
    of_file: set[str] = set()
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        bound.update(_bound_by(node))
        if isinstance(node, ast.Global):
            of_file.update(node.names)
        elif isinstance(node, ast.Name):
            loads.add(node.id)
        elif isinstance(node, _Function):
            waiting += _around(node, annotations)
            inside = node.body if isinstance(node.body, list) else [node.body]
            loads |= _free(inside, {a.arg for a in _arguments(node.args)}, annotations)
        elif isinstance(node, ast.ClassDef):
            waiting += (*node.decorator_list, *node.bases, *(k.value for k in node.keywords))
            loads |= _free(node.body, set(), annotations, is_function=False)
        elif isinstance(node, _Comprehension):
            loads |= _free(list(ast.iter_child_nodes(node)), set(), annotations)
        elif isinstance(node, ast.AnnAssign):
            waiting += [node.target, *([node.value] if node.value else [])]
            waiting += [node.annotation] if annotations else []
        else:
            waiting += ast.iter_child_nodes(node)
    return loads - (bound - of_file) if is_function else loads


def _around(node: _Function, annotations: bool) -> list[ast.AST]:
    """What is evaluated where a function is defined."""
    found: list[ast.AST] = [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
    if isinstance(node, ast.Lambda):
        return found
    found += node.decorator_list
    if annotations:
        found += [a.annotation for a in _arguments(node.args) if a.annotation]
        found += [node.returns] if node.returns else []
    return found


def _arguments(given: ast.arguments) -> list[ast.arg]:
    further = [a for a in (given.vararg, given.kwarg) if a]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *further]
