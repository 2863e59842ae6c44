"""Finds the code in a hand-in: the file that counts."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from grader.submission.archive import is_packed, is_zipped, opened, unpacked
from grader.submission.classes import Names, definitions, roles_of
from grader.submission.files import (
    CODE,
    MAX_BYTES,
    MAX_FILES,
    NOTEBOOKS,
    PAGES,
    Alone,
    MissingFile,
    SeveralFiles,
    Tree,
    UnusableInput,
    folder_readers,
    is_prose,
    is_test,
    is_wanted,
    others_in,
    read_file,
    readers_of,
)
from grader.submission.gathered import Found, gather
from grader.submission.refused import is_known, why_not
from grader.submission.text import parsed

# What is put to a name when it is saved or sent again: "gpt2 (1)", "gpt2-2", "gpt2_final_v3".
_VARIANT = re.compile(
    r"\s*\(\d+\)$|[ _-]+(v?\d+|final|copy|kopie|new|neu|fixed|solution|submission|done|latest)$"
)
_BEFORE = re.compile(r"^(copy of|kopie von)\s+")
_SHOWN = 8  # names in a message
_OF_THE_KIT = ("solutions", "grader", "lab", "tests", "docs", "examples")


def tree_of(path: Path, beside: bool = True, pieces: Mapping[str, Path] | None = None) -> Tree:
    """What was handed in at a path. Raises UnusableInput or OSError.

    beside: whether what lies beside a single file may be imported by it; pieces: what it consists
    of, by the names that its author knows, where that is not what lies there.
    """
    if pieces:
        readers, troubles = opened(readers_of(pieces))
        others = tuple(name for name in pieces if not is_wanted(PurePosixPath(name)))
        return Tree("hand-in", readers, troubles, others)
    if path.is_dir():
        return Tree("folder", *opened(folder_readers(path)), others_in(path))
    if is_packed(path.name):
        return Tree("archive", *opened(unpacked(str(path), read_file(path))))
    alone = Alone(path, beside)
    raw = alone.read(path.name)  # or it says what it is
    if is_zipped(raw):  # renamed, where nothing but Python may be handed in
        return Tree("archive", *opened(unpacked(str(path), raw)))
    return alone


def find(path: Path, tree: Tree, wanted: Names, others: Collection[str] = ()) -> Found:
    """The code that counts. Raises UnusableInput or OSError, and SeveralFiles rather than guess.

    others: files of other exercises, which are not this one.
    """
    found = _chosen(path, tree, wanted, others)
    if is_prose(found.place) and (found.parsed is None or not found.reached):
        error = found.found.text.error or why_not(found.place)
        raise UnusableInput(f"{path}: {error}")
    return found.with_others


def _chosen(path: Path, tree: Tree, wanted: Names, others: Collection[str]) -> _Candidate:
    """The file that counts."""
    if isinstance(tree, Alone):
        return _Candidate(path, tree, next(iter(tree)), wanted)
    foreign = {stem_of(other) for other in others}
    code = [place for place in tree if place.lower().endswith(CODE) and not is_test(place)]
    code = [place for place in code if stem_of(place) not in foreign]
    code = _without_kit(code, tree, wanted)
    named = [_Candidate(path, tree, place, wanted) for place in code if _is_named(place, wanted)]
    best = _best(path, [one for one in named if one.counts and not one.unwritten])
    if best is not None and 0 < best.reached < len(wanted.names):
        best = _continued(path, tree, code, best) or best
    if best is None:
        best = _best(path, _defining(path, tree, code, wanted))
    if best is None and named:
        best = _best(path, named)
    if best is None:
        prose = [place for place in tree if is_prose(place)]
        best = _best(path, _defining(path, tree, prose, wanted))
    if best is not None:
        return best
    if len(code) == 1:
        return _Candidate(path, tree, code[0], wanted)
    tests = [place for place in tree if is_test(place)][:MAX_FILES]
    tests = _without_kit(tests, tree, wanted)
    if (best := _best(path, _defining(path, tree, tests, wanted))) is not None:
        return best  # somebody's whole work lies in a folder "test"
    there = ", ".join(" ".join(place.split()) for place in code[:_SHOWN]) or "no Python file"
    if others := [place for place in tree if place not in code] + list(tree.others):
        there += f" but {', '.join(others[:_SHOWN])}" if not code else ""
    known = [f"{name}: {why_not(name)}" for name in others if is_known(name) and not code]
    troubles = "".join(f" {trouble}" for trouble in (*tree.troubles, *known[:1]))
    raise MissingFile(
        f"{path}: expected {wanted.file} in this {tree.kind}, found {there}.{troubles}"
    )


def _without_kit(places: Sequence[str], tree: Tree, wanted: Names) -> list[str]:
    """Those that are not the kit's own, where somebody hands in all of it: beside the folder of
    the worked solutions lies that of the stubs.
    """
    worked = f"solutions/{wanted.file}"
    roots = [place.removesuffix(worked) for place in tree if f"/{place}".endswith(f"/{worked}")]
    roots = [r for r in roots if any(place.startswith(f"{r}exercises/") for place in tree)]
    own = tuple(f"{root}{folder}/" for root in roots for folder in _OF_THE_KIT)
    return [place for place in places if not place.startswith(own)]


def stem_of(place: str) -> str:
    """What a file is called, but for its ending, its case, and what saving it again adds."""
    name = place.rsplit("/", 1)[-1].lower()
    ending = next((e for e in sorted(CODE, key=len, reverse=True) if name.endswith(e)), "")
    stem = name[: -len(ending)] if ending else name
    if stem == "__init__" and "/" in place:
        stem = place.rsplit("/", 2)[-2].lower()
    stem = _BEFORE.sub("", stem.strip())
    while (shorter := _VARIANT.sub("", stem)) not in (stem, ""):
        stem = shorter
    return stem


def _is_named(place: str, wanted: Names) -> bool:
    return stem_of(place) == stem_of(wanted.file)


@dataclass(frozen=True)
class _Candidate:
    """A file that may be the one. others: places of those that have the other classes."""

    path: Path
    tree: Tree
    place: str
    wanted: Names
    others: tuple[str, ...] = ()

    @cached_property
    def found(self) -> Found:
        return gather(self.path, self.tree, self.place, self.wanted.names)

    @property
    def with_others(self) -> Found:
        """The code, with that of the files that have the other classes."""
        found = self.found
        for place in self.others:
            files = gather(self.path, self.tree, place, self.wanted.names).files
            found = replace(found, files=files | found.files)
        if not self.others:
            return found
        note = f"the other classes were taken from {', '.join(self.others)}"
        return replace(found, text=replace(found.text, notes=(*found.text.notes, note)))

    @cached_property
    def parsed(self) -> ast.Module | None:
        return parsed(self.found.text.text)

    @cached_property
    def own(self) -> frozenset[str]:
        """Which of the exercise's names it defines."""
        return frozenset(definitions(self.parsed) if self.parsed else ()) & set(self.wanted.names)

    @cached_property
    def reached(self) -> int:
        """How many of the names, or of what plays their parts, it and what it imports define."""
        trees = {name: parsed(text) for name, text in self.found.files.items()}
        known = {name: tree for name, tree in trees.items() if tree is not None}
        names = {name for tree in known.values() for name in definitions(tree)}
        exact = len(names & set(self.wanted.names))
        return exact or len(roles_of(known, self.found.main, self.wanted))

    @property
    def counts(self) -> bool:
        """Whether it may hold the exercise: one that does not parse may."""
        return self.parsed is None or self.reached > 0

    @cached_property
    def unwritten(self) -> bool:
        """Whether it defines names, and all of them are stubs."""
        return self.parsed is not None and bool(self.own) and self.own <= _stubs(self.parsed)

    @cached_property
    def meaning(self) -> str:
        """What is the same for files that define the same."""
        return ast.dump(self.parsed) if self.parsed else repr(self.found.text.text)


def _stubs(tree: ast.Module) -> set[str]:
    """Names whose functions do nothing but raise NotImplementedError, or nothing at all."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            functions = [n for n in ast.walk(node) if isinstance(n, ast.FunctionDef)]
            if functions and all(_does_nothing(f.body[-1]) for f in functions):
                found.add(node.name)
    return found


def _does_nothing(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass | ast.Raise)


def _defining(path: Path, tree: Tree, places: Sequence[str], wanted: Names) -> list[_Candidate]:
    """Those files that define most of the exercise's names, or of what plays their parts."""
    found = []
    size = 0
    for count, place in enumerate(places, 1):
        try:
            raw = tree.read(place)
        except UnusableInput:
            continue
        size += 0 if place.lower().endswith((*NOTEBOOKS, *PAGES)) else len(raw)
        if count > MAX_FILES or size > MAX_BYTES:
            there = ", ".join(" ".join(place.split()) for place in places[:_SHOWN])
            raise UnusableInput(
                f"{path}: expected {wanted.file} in this {tree.kind}, found {there}, …; these are "
                f"more than {MAX_FILES} Python files or {MAX_BYTES:,} bytes, too many to look "
                "through. Give a folder with only the submission in it."
            )
        if re.search(rb"\b(class|def)\s", raw.replace(b"\0", b"")):
            found.append(_Candidate(path, tree, place, wanted))
    found = [one for one in found if one.parsed is not None and one.reached]
    found = [one for one in found if not one.unwritten] or found
    with_names = [one for one in found if one.own]
    pieces = _not_imported(with_names)
    if len(pieces) > 1 and _pieced_together(pieces) is not None:
        return pieces
    most = max((len(one.own) for one in with_names), default=0)
    found = [one for one in with_names if len(one.own) == most] or found
    reach = max((one.reached for one in found), default=0)
    return [one for one in found if one.reached == reach]


def _best(path: Path, found: Sequence[_Candidate]) -> _Candidate | None:
    """The one that counts more than all others. Raises SeveralFiles if there is none such."""
    written = [one for one in found if not one.unwritten] or list(found)
    written = _not_imported(written) or written
    outermost = min((one.place.count("/") for one in written), default=0)
    near = [one for one in written if one.place.count("/") == outermost]
    python = [one for one in near if not one.place.lower().endswith(NOTEBOOKS)] or near
    different = list({one.meaning: one for one in reversed(python)}.values())
    if len(different) > 1 and (whole := _pieced_together(different)) is not None:
        return whole
    if len(different) > 1:
        names = ", ".join(sorted(one.place for one in different)[:_SHOWN])
        file = found[0].wanted.file
        raise SeveralFiles(
            f"{path}: expected one {file}, found {names}. Leave the one that counts, or name it "
            f"{file} and the others something else."
        )
    return python[0] if python else None


def _pieced_together(found: Sequence[_Candidate]) -> _Candidate | None:
    """Files of one folder of which each has other classes, as one: that with the last of them."""
    owned = [name for one in found for name in one.own]
    folders = {PurePosixPath(one.place).parent for one in found}
    if len(folders) > 1 or len(set(owned)) < len(owned) or not all(one.own for one in found):
        return None
    order = found[0].wanted.names
    *others, main = sorted(found, key=lambda one: max(map(order.index, one.own)))
    return replace(main, others=tuple(one.place for one in others))


def _continued(
    path: Path, tree: Tree, places: Sequence[str], part: _Candidate
) -> _Candidate | None:
    """The one file that has all of the names, and has this part of them by importing it."""
    if len(places) > MAX_FILES:
        return None
    found = [one for one in _defining(path, tree, places, part.wanted) if part.place in _below(one)]
    found = [one for one in found if one.reached == len(part.wanted.names)]
    return found[0] if len(found) == 1 else None


def _not_imported(found: Sequence[_Candidate]) -> list[_Candidate]:
    """Those that no other one imports."""
    imported = {name for one in found for name in _below(one)}
    return [one for one in found if one.place not in imported]


def _below(candidate: _Candidate) -> set[str]:
    """Places of what a candidate imports."""
    folder = candidate.found.folder
    names = set(candidate.found.files) - {candidate.found.main}
    return {f"{folder}/{name}" if folder else name for name in names}
