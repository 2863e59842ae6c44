"""Which submissions share more text than others do: advice to look, never a verdict."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from grader.catalogue import HANDOUT
from grader.report.lookalikes import Pair, Passage, Side

if TYPE_CHECKING:
    from copydetect import CodeFingerprint

REFERENCE = "(the reference)"
_GRAM = 25  # characters of code without its names: the shortest passage that counts
_FEWEST = 60  # such grams of its own that a submission needs to be compared
_SHARED = 0.8  # of the shorter of two; below that, answers to one exercise share by themselves
_PAIRS = 100  # that are shown, the likest
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


def pairs(texts: Sequence[Text], file: str) -> list[Pair]:
    """Those with the same text, and the likest pairs of others. Raises ImportError.

    file: the exercise's, whose stub's own text is taken out. Names, comments and strings do not
    count in pairs.
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
    alike = [
        Pair(tuple(other.name for other in copies[item.whole]), 1.0, True)
        for item, _ in compared
        if len(copies[item.whole]) > 1
    ]
    for i, j, score in _shared([found.hashes for _, found in compared]):
        (first, one), (second, other) = compared[i], compared[j]
        _, _, slices = compare_files(one, other)
        sides = (_side(first, slices[0]), _side(second, slices[1]))
        alike.append(Pair((first.name, second.name), score, False, sides))
    return sorted(alike, key=lambda pair: (-pair.same, -pair.score, pair.names))


def _shared(prints: Sequence[set[int]]) -> Iterator[tuple[int, int, float]]:
    """(i, j, share of the shorter one's grams that both have) of the likest pairs."""
    if len(prints) < 2:
        return
    sizes = np.array([len(found) for found in prints])
    both = _counts(prints) / np.minimum.outer(sizes, sizes)
    both[np.tril_indices(len(prints))] = 0.0
    order = np.argsort(both, axis=None, kind="stable")[::-1][:_PAIRS]
    for place in order.tolist():
        i, j = divmod(place, len(prints))
        if both[i, j] >= _SHARED:
            yield i, j, float(both[i, j])


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
