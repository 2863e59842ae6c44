"""What of a submission is taken for the classes of the brief, where it calls or builds them
otherwise.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from grader.submission.arguments import BRIEF, Plan, plan_of
from grader.submission.classes import Classes, Names, definitions, roles_of
from grader.submission.files import UnusableInput


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

    def renamed(self, names: Mapping[str, str]) -> Taken:
        """The same where files have other names."""
        plan = self.plan and replace(
            self.plan, kind_file=names.get(self.plan.kind_file, self.plan.kind_file)
        )
        return replace(self, file=names.get(self.file, self.file), plan=plan)

    def as_json(self) -> dict[str, Any]:
        """As the worker is told."""
        return {
            "own": self.own,
            "file": self.file,
            "plan": asdict(self.plan) if self.plan else None,
        }


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
            raise UnusableInput(
                f"{path}: to take {own} for {name} it must be there; found {there}."
            )
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


def _bound(tree: ast.Module) -> set[str]:
    """Names that a file binds at its top level; "*" among them if it may bind any."""
    found = set(definitions(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found
