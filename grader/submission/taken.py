"""What of a submission is taken for the classes of the brief, where it calls or builds them
otherwise.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from grader.submission.arguments import BRIEF, SIZES, USUAL, Plan, plan_of
from grader.submission.classes import Classes, Names, definitions, roles_of
from grader.submission.files import UnusableInput

_SHOWN = 8  # names in a message
# By these a file can have names that its text does not show.
_BINDS_UNSEEN = {
    *("exec", "eval", "compile", "globals", "locals", "vars", "setattr", "modules", "__import__"),
    *("import_module", "__dict__", "__getattr__"),
}


@dataclass(frozen=True)
class Taken:
    """What is taken for one of the exercise's names.

    own: what it is called there; file: where it is; plan: how it is built, None if as the brief
    says.
    """

    name: str
    own: str
    file: str
    plan: Plan | None = None

    @property
    def as_asked(self) -> bool:
        """Whether name and arguments are the brief's, and it only lies in another file."""
        return self.own == self.name and self.plan is None

    @property
    def words(self) -> str:
        """What is taken for what, to be told."""
        if self.own != self.name:
            told = f"your {self.own} was taken for {self.name}"
        else:
            told = f"your {self.name} has other arguments than the brief's"
        if self.plan is None:
            return told
        if self.plan.settings:
            return f"{told}; it was built with a config object in place of the brief's arguments"
        return f"{told}; it was built with ({', '.join(self.plan.arguments)})"

    def code(self) -> str:
        """Code that makes the brief's name of it, to be shown and run."""
        module = self.file.removesuffix(".py").replace("/", ".")
        if self.plan is None:
            called = "" if self.own == self.name else f" as {self.name}"
            return f"from {module} import {self.own}{called}"
        given = {name: _expression(source, self.plan) for name, source in self._arguments()}
        settings = [f"{self.plan.settings}={self._settings(module)}"] if self.plan.settings else []
        arguments = ", ".join([*(f"{name}={value}" for name, value in given.items()), *settings])
        *first, last = self.plan.brief
        return "\n".join(
            [
                f"import {module}",
                "",
                f"def {self.name}({', '.join(first)}, {last}=0.0):",
                f"    return {module}.{self.own}({arguments})",
            ]
        )

    def _arguments(self) -> list[tuple[str, str]]:
        return list(self.plan.arguments.items()) if self.plan else []

    def _settings(self, module: str) -> str:
        """The config object, as code."""
        assert self.plan is not None
        fields = {
            name: _expression(source, self.plan)
            for name, source in self.plan.fields.items()
            if source in SIZES or not self.plan.kind
        }
        if self.plan.kind:
            given = ", ".join(f"{name}={value}" for name, value in fields.items())
            return f"{module}.{self.plan.kind}({given})"
        given = ", ".join(f"{name!r}: {value}" for name, value in fields.items())
        start = f"**{module}.{self.plan.template}, " if self.plan.template.isidentifier() else ""
        return f"type('Config', (dict,), {{'__getattr__': dict.__getitem__}})({{{start}{given}}})"

    def renamed(self, names: Mapping[str, str]) -> Taken:
        """The same where files have other names."""
        plan = self.plan and replace(
            self.plan, kind_file=names.get(self.plan.kind_file, self.plan.kind_file)
        )
        return replace(self, file=names.get(self.file, self.file), plan=plan)

    def as_json(self) -> dict[str, Any]:
        """As the worker is told."""
        plan = {**asdict(self.plan), "usual": USUAL} if self.plan else None
        return {"own": self.own, "file": self.file, "plan": plan}


def told(found: Sequence[Taken]) -> str:
    """What is taken for what, and how it is built, in a few sentences."""
    renamed = [f"your {t.own} was taken for {t.name}" for t in found if t.own != t.name]
    settings = [t.own for t in found if t.plan and t.plan.settings]
    others = [
        f"your {t.own} was built with ({', '.join(t.plan.arguments)})"
        for t in found
        if t.plan and not t.plan.settings
    ]
    said = [", ".join(renamed), ", ".join(others)]
    if settings:
        said.append(f"{', '.join(settings)}: built with a config object, not the brief's arguments")
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in said if text)


def _expression(source: str, plan: Plan) -> str:
    """A value from the brief's arguments, as code."""
    heads = "num_heads" if "num_heads" in plan.brief else "1"
    follows = {"head_dim": f"embed_dim // {heads}", "hidden_dim": "4 * embed_dim"}
    return source if source in plan.brief else follows.get(source) or repr(USUAL[source])


def taken(
    path: object, trees: Mapping[str, ast.Module], main: str, wanted: Names
) -> tuple[Taken, ...]:
    """What is taken for what in these files. Raises UnusableInput if what is `given` is not."""
    if main not in trees:
        return ()
    classes = Classes.of(trees, main)
    where = {name: file for file, tree in trees.items() for name in definitions(tree)}
    for name, own in wanted.given.items():
        if own not in where:
            there = ", ".join(classes.found) or "no class"
            raise UnusableInput(f"{path}: expected {own} (for {name}), found {there}.")
    found = {
        name: Taken(name, own, main if own in definitions(trees[main]) else where[own])
        for name, own in wanted.given.items()
    }
    bound = _bound(trees[main])
    roles = roles_of(trees, main, wanted)
    for name in wanted.names:
        one = roles.get(name) or (classes.found.get(name) if name in BRIEF else None)
        if one is None:
            continue
        plan = plan_of(name, one, classes, trees[main])
        exposed = one.name == name and (name in bound or "*" in bound)
        if plan is not None or not exposed:
            found[name] = Taken(name, one.name, one.file, plan)
    return tuple(found.values())


def no_answer(tree: ast.Module, wanted: Names, named: bool) -> str:
    """Why a file is no answer to the exercise; "" if it may be one.

    named: whether it is called as the exercise asks, so that it is meant as an answer.
    """
    if all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in tree.body
    ):
        return "there is no code in it."
    bound = _bound(tree)
    words = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    words |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    if named or not _BINDS_UNSEEN.isdisjoint(words) or bound & {*wanted.names, "*"}:
        return ""
    there = ", ".join(sorted(definitions(tree))[:_SHOWN]) or "no class and no function"
    return f"expected {', '.join(wanted.names)}, found {there}. Is it the right file?"


def _bound(tree: ast.Module) -> set[str]:
    """Names that a file binds at its top level; "*" among them if it may bind any."""
    found = set(definitions(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found
