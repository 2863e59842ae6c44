"""What of a submission's files its classes need: found by following names, never by running.

It finds rather too much than too little. What hides from it shows when it runs.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from grader.submission.scopes import ALL, OPAQUE, Importing, Statement, imported, statements

Place = tuple[str, str]  # a file and a name in it


@dataclass
class Reached:
    """What was reached: names of files, and the statements that bind or change them."""

    names: set[Place] = field(default_factory=set)
    statements: dict[int, Statement] = field(default_factory=dict)  # by their identity

    def lines(self) -> dict[str, tuple[int, ...]]:
        """The first line of each statement, by file."""
        found: dict[str, set[int]] = {}
        for statement in self.statements.values():
            found.setdefault(statement.file, set()).add(statement.first_line)
        return {file: tuple(sorted(numbers)) for file, numbers in sorted(found.items())}


class Program:
    """The files of a submission as statements. Raises RecursionError for trees too deep."""

    def __init__(self, trees: Mapping[str, ast.Module]) -> None:
        self.statements = {file: list(statements(file, tree)) for file, tree in trees.items()}

    def only(self, files: Collection[str]) -> Program:
        """The same without other files."""
        kept = Program({})
        kept.statements = {name: every for name, every in self.statements.items() if name in files}
        return kept

    def reach(
        self,
        starts: Collection[Place],
        stop: Collection[str] = (),
        annotations: bool = True,
    ) -> Reached:
        """What these names need. stop: names that are not followed.

        annotations: whether their names count, too.
        """
        reached = Reached()
        waiting = list(starts)
        while waiting:
            file, name = place = waiting.pop()
            if place in reached.names or name in stop or file not in self.statements:
                continue
            reached.names.add(place)
            for statement in self._about(file, name):
                waiting += self._from(statement, name)
                if id(statement) not in reached.statements:
                    reached.statements[id(statement)] = statement
                    waiting += self._needs(statement, annotations)
        return reached

    def imports(self, main: str) -> set[str]:
        """The file `main`, and those that it imports, also through others."""
        found: set[str] = set()
        waiting = [main]
        while waiting:
            file = waiting.pop()
            if file not in found and file in self.statements:
                found.add(file)
                for statement in self.statements[file]:
                    for node in statement.imports:
                        waiting += self._of(statement, node)
        return found

    def _about(self, file: str, name: str) -> Iterator[Statement]:
        """The statements that make a name what it is."""
        every = self.statements[file]
        if name == ALL:
            yield from every
            return
        own = [s for s in every if name in s.binds or ALL in s.binds]
        yield from own
        # To call a function of an imported module changes nothing of it.
        if any(not isinstance(s.node, Importing) for s in own):
            yield from (s for s in every if name in s.changes and name not in s.binds)

    def _needs(self, statement: Statement, annotations: bool) -> Iterator[Place]:
        """Names, with their files, that a statement needs whatever it is needed for."""
        file = statement.file
        looked_up = statement.loads if annotations else statement.uses
        yield from ((file, name) for name in looked_up)
        if looked_up & OPAQUE:
            yield file, ALL
        for node in statement.imports:
            if isinstance(node, ast.Import):
                yield from self._through(statement, statement, node)
            elif node is not statement.node:
                yield from self._taken(statement, node, ALL)
        if len(self.statements) == 1:
            return
        for known in self.statements[file]:
            for node in known.imports:
                if known is not statement and not looked_up.isdisjoint(imported(node)):
                    yield from self._through(statement, known, node)

    def _from(self, statement: Statement, name: str) -> Iterator[Place]:
        """What `from module import name` needs."""
        if isinstance(statement.node, ast.ImportFrom):
            yield from self._taken(statement, statement.node, name)

    def _taken(self, statement: Statement, node: ast.ImportFrom, name: str) -> Iterator[Place]:
        """What `from module import …` takes of one's own files for a name, or for ALL."""
        aliases = imported(node)
        for target in self._files(node.module or "", _folder(statement.file, node.level)):
            if name in aliases:
                yield target, aliases[name].name
            elif ALL in aliases:
                yield target, name
            else:
                yield from ((target, alias.name) for alias in node.names)

    def _through(self, user: Statement, statement: Statement, node: Importing) -> Iterator[Place]:
        """What a statement asks of modules of one's own that another one, or itself, imports."""
        for bound, alias in imported(node).items():
            asked = user.asked.get(bound, set())
            if isinstance(node, ast.ImportFrom):
                folder = _folder(statement.file, node.level)
                targets = list(self._files(f"{node.module or ''}.{alias.name}", folder, whole=True))
            else:
                targets = list(self._files(alias.name, ""))
                # Of `a.b.c` only `b` is known to be asked of `a`.
                asked = {ALL} if asked and "." in alias.name else asked
            yield from ((target, name) for target in targets for name in asked)

    def _of(self, statement: Statement, node: Importing) -> Iterator[str]:
        """The own files that an import loads."""
        if isinstance(node, ast.Import):
            yield from (file for alias in node.names for file in self._files(alias.name, ""))
            return
        folder = _folder(statement.file, node.level)
        for alias in node.names:
            yield from self._files(f"{node.module or ''}.{alias.name}", folder)

    def _files(self, module: str, folder: str, whole: bool = False) -> Iterator[str]:
        """The own files of a dotted name: of the module, and (else whole) of packages around it."""
        parts = [part for part in module.split(".") if part]
        for length in range(len(parts) if whole else 0, len(parts) + 1):
            path = PurePosixPath(folder, *parts[:length])
            for candidate in (f"{path}.py", str(path / "__init__.py")):
                if candidate in self.statements:
                    yield candidate


def _folder(file: str, level: int) -> str:
    """The folder in which a module is looked for: of the submission, or relative to a file."""
    if level == 0:
        return ""
    parents = PurePosixPath(file).parents
    return str(parents[min(level, len(parents)) - 1])
