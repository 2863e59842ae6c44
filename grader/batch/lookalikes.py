"""Which submissions share more text than others do: advice to look, never a verdict."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from grader.catalogue import HANDOUT
from grader.report.lookalikes import Group, Pair, Passage, Side

if TYPE_CHECKING:
    from copydetect import CodeFingerprint

REFERENCE = "(the reference)"
_GRAM = 25  # characters of code without its names: the shortest passage that counts
_FEWEST = 60  # such grams of its own that a submission needs to be compared
_SHARED = 0.8  # of the shorter of two; below that, answers to one exercise share by themselves
_PAIRS = 100  # whose lines are shown
_COLUMNS = 4096  # grams that are counted at a time


@dataclass(frozen=True)
class Text:
    """A submission's files, one after the other, without empty lines.

    To find a program's tokens takes time that grows with the square of the empty lines in a row.
    """

    name: str
    files: dict[str, str]

    @property
    def whole(self) -> str:
        """All lines."""
        return "".join(f"{line}\n" for _, line in self.lines())

    def lines(self) -> list[tuple[str, str]]:
        """("12" or, of several files, "model.py:12", and the text) of each line of the whole."""
        several = len(self.files) > 1
        return [
            (f"{name}:{number}" if several else str(number), line)
            for name, text in self.files.items()
            for number, line in enumerate(text.split("\n"), 1)
            if line.strip()
        ]


def text(name: str, files: dict[str, bytes]) -> Text:
    """A submission as handed in; what is no UTF-8 is replaced."""
    decoded = {key: value.decode("utf-8", "replace") for key, value in files.items()}
    return Text(name, {key: value.replace("\r\n", "\n") for key, value in decoded.items()})


def reference(file: str) -> list[Text]:
    """The kit's own solution of an exercise, where it is at hand."""
    path = HANDOUT.parent / "solutions" / file
    return [text(REFERENCE, {file: path.read_bytes()})] if path.is_file() else []


def groups(texts: Sequence[Text], file: str) -> list[Group]:
    """Those with the same text, or that share much of it with another one. Raises ImportError.

    file: the exercise's, whose stub's own text is taken out. Names, comments and strings do not
    count where texts differ. The groups of the reference come first.
    """
    from copydetect import CodeFingerprint, compare_files

    def prints(item: Text, known: Sequence[int]) -> CodeFingerprint:
        lines = io.StringIO(item.whole)
        return CodeFingerprint(f"{item.name}.py", _GRAM, 1, known, language="python", fp=lines)

    stub = prints(text("stub", {file: (HANDOUT / file).read_bytes()}), [])
    known = sorted(stub.hashes)
    copies: dict[str, list[Text]] = {}
    for item in texts:
        copies.setdefault(item.whole, []).append(item)
    compared = [(same[0], prints(same[0], known)) for same in copies.values()]
    compared = [(item, found) for item, found in compared if len(found.hashes) >= _FEWEST]
    first = [n for n, (item, _) in enumerate(compared) if _has_reference(copies[item.whole])]
    shares = _shares([found.hashes for _, found in compared])
    found = []
    shown = 0
    for members, edges in _united(shares, first):
        pairs = []
        for i, j in edges:
            (one, mine), (other, theirs) = compared[i], compared[j]
            sides: tuple[Side, ...] = ()
            if shown < _PAIRS:
                _, _, slices = compare_files(mine, theirs)
                sides = (_side(one, slices[0]), _side(other, slices[1]))
            shown += 1
            pairs.append(Pair((one.name, other.name), float(shares[i, j]), sides))
        names = tuple(same.name for n in members for same in copies[compared[n][0].whole])
        if len(names) > 1:
            found.append(Group(names, tuple(pairs)))
    return sorted(found, key=lambda g: (REFERENCE not in g.names, not g.same, -g.score, g.names))


def _has_reference(same: Sequence[Text]) -> bool:
    return any(item.name == REFERENCE for item in same)


def _shares(prints: Sequence[set[int]]) -> NDArray[np.float32]:
    """Which share of the shorter one's grams each two have in common."""
    if not prints:
        return np.zeros((0, 0), dtype=np.float32)
    sizes = np.array([len(found) for found in prints], dtype=np.float32)
    return (_counts(prints) / np.minimum.outer(sizes, sizes)).astype(np.float32)


def _united(
    shares: NDArray[np.float32], first: Sequence[int]
) -> list[tuple[list[int], list[tuple[int, int]]]]:
    """Members of each group, with the likest pairs that hold it together.

    first: those whose own pairs are taken before the others, so that they are seen.
    """
    group = list(range(len(shares)))
    edges: dict[int, list[tuple[int, int]]] = {}
    members = {n: [n] for n in group}
    rows, columns = np.nonzero(np.triu(shares >= _SHARED, 1))
    own = np.isin(rows, first) | np.isin(columns, first)
    order = np.lexsort((-shares[rows, columns], ~own))
    for i, j in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        into, gone = sorted((group[i], group[j]))
        if into == gone:
            continue
        for n in members[gone]:
            group[n] = into
        members[into] += members.pop(gone)
        edges[into] = [*edges.get(into, []), *edges.pop(gone, []), (i, j)]
    return [(sorted(found), edges.get(n, [])) for n, found in members.items()]


def _counts(prints: Sequence[set[int]]) -> NDArray[np.float32]:
    """How many grams each two have in common."""
    numbers = {gram: n for n, gram in enumerate(sorted(set().union(*prints)))}
    counts = np.zeros((len(prints), len(prints)), dtype=np.float32)
    places = [np.sort([numbers[gram] for gram in found]) for found in prints]
    for start in range(0, len(numbers), _COLUMNS):
        has = np.zeros((len(prints), _COLUMNS), dtype=np.float32)
        for row, mine in enumerate(places):
            first, end = np.searchsorted(mine, (start, start + _COLUMNS))
            has[row, mine[first:end] - start] = 1.0
        counts += has @ has.T
    return counts


def _side(item: Text, slices: NDArray[np.int64]) -> Side:
    """The lines that match, of one of two."""
    whole, lines = item.whole, item.lines()
    spans: list[tuple[int, int]] = []
    for start, end in slices.T.astype(int).tolist():
        first = whole.count("\n", 0, start)
        last = whole.count("\n", 0, max(end - 1, start))
        if spans and first <= spans[-1][1] + 1:
            spans[-1] = spans[-1][0], max(last, spans[-1][1])
        else:
            spans.append((first, last))
    return Side(tuple(Passage(tuple(lines[first : last + 1])) for first, last in spans))
