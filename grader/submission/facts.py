"""What the text of a submission's files says: errors, policy, what is unwritten, what is needed."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from grader.submission.policy import Violation, violations
from grader.submission.reach import Place, Program
from grader.submission.syntax import SyntaxProblem, parse, readable


@dataclass(frozen=True)
class Facts:
    """What is known of the files before any is run.

    relative: whether files import one another relatively; problems: what does not parse of the
    files that count; lost: the classes and functions in that; patched: the texts of such files
    without it; hopeless: whether nothing is left to run; needed: lines on which the statements
    begin that the classes need, by file.
    """

    relative: bool = False
    problems: tuple[SyntaxProblem, ...] = ()
    lost: Mapping[str, SyntaxProblem] = field(default_factory=dict)
    patched: Mapping[str, bytes] = field(default_factory=dict)
    hopeless: bool = False
    violations: tuple[Violation, ...] = ()
    unwritten: frozenset[str] = frozenset()
    stubs: frozenset[str] = frozenset()
    needed: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def facts(
    files: Mapping[str, bytes],
    main: str,
    starts: Mapping[str, Place],
    imports: Collection[str] = (),
    base: str | None = None,
    base_names: Collection[str] = (),
) -> Facts:
    """Read the files. Of those that `main` and `base` do not import, nothing counts.

    starts: where each class or function of the exercise is, and under which name; base_names: those
    that `base` has; imports: further modules that the policy allows.
    """
    reading = _Reading(files)
    starting = dict.fromkeys((main, base, *(file for file, _ in starts.values())))
    mains = [name for name in starting if name is not None and name in files]
    try:
        program = Program(reading.trees)
        counted = {name for start in mains for name in program.imports(start)} | {*mains}
        program = program.only(counted)
        found = violations(program, starts, imports)
        below = [(base, name) for name in base_names] if base is not None else []
        needed = program.reach([*starts.values(), *below]).lines()
    except (RecursionError, MemoryError) as error:
        problem = SyntaxProblem(main, 0, f"cannot be read ({type(error).__name__})")
        return Facts(problems=(problem,), hopeless=True)
    nodes = [node for name in counted & {*reading.trees} for node in ast.walk(reading.trees[name])]
    broken = [name for name in mains + sorted(counted - {*mains}) if name in reading.problems]
    defined = {node.name for node in nodes if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    problems = tuple(problem for name in broken for problem in reading.problems[name])
    return Facts(
        relative=any(isinstance(node, ast.ImportFrom) and node.level > 0 for node in nodes),
        problems=problems,
        lost={word: p for name in broken for word, p in reading.lost[name].items()},
        patched={name: reading.texts[name] for name in broken if name in reading.texts},
        hopeless=bool(problems)
        and (main not in reading.trees or defined.isdisjoint(name for _, name in starts.values())),
        violations=found,
        unwritten=frozenset(_unwritten(nodes)),
        stubs=frozenset(node.name for node in nodes if _is_stub(node)),
        needed=needed,
    )


class _Reading:
    """The trees of files, of those that do not parse as far as they do."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.trees: dict[str, ast.Module] = {}
        self.problems: dict[str, tuple[SyntaxProblem, ...]] = {}
        self.lost: dict[str, dict[str, SyntaxProblem]] = {}
        self.texts: dict[str, bytes] = {}
        for name, text in files.items():
            tree = parse(name, text)
            if isinstance(tree, ast.Module):
                self.trees[name] = tree
            else:
                self._read_broken(name, text, tree)

    def _read_broken(self, name: str, text: bytes, problem: SyntaxProblem) -> None:
        found = readable(name, text) if problem.line else None
        self.problems[name] = (problem,) if found is None else found.problems
        self.lost[name] = {} if found is None else dict(found.lost)
        if found is not None:
            self.trees[name], self.texts[name] = found.tree, found.text


def _unwritten(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names of classes with a forward of which only a docstring, `...` or `pass` is there."""
    for node in nodes:
        if not isinstance(node, ast.ClassDef):
            continue
        for item in node.body:
            if not isinstance(item, ast.FunctionDef) or item.name != "forward":
                continue
            if all(_does_nothing(statement) for statement in item.body):
                yield node.name


def _is_stub(node: ast.AST) -> TypeGuard[ast.ClassDef | ast.FunctionDef]:
    """Whether a function, or every method of a class, ends with saying that it is not written."""
    if isinstance(node, ast.FunctionDef):
        return _is_unwritten(node)
    if not isinstance(node, ast.ClassDef):
        return False
    methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
    return bool(methods) and all(map(_is_unwritten, methods))


def _is_unwritten(function: ast.FunctionDef) -> bool:
    last = function.body[-1]
    raises = isinstance(last, ast.Raise) and "NotImplementedError" in ast.dump(last)
    return raises or all(_does_nothing(statement) for statement in function.body)


def _does_nothing(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass | ast.Raise)
