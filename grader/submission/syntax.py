"""What does not parse: where it is, what it is, and what can be read all the same."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

_MOST_BLOCKS = 8  # that do not parse, in one file
_MOST_TRIALS = 20  # of an end for a statement that seems to be longer
_QUOTES = (b"'''", b'"""')
_MAX_LINE = 200  # characters of a line that are shown
# A statement at the left margin begins so; what does not goes on with the one before.
_BEGINS = re.compile(rb"[A-Za-z_@%!]")
_GOES_ON = re.compile(rb"(else|elif|except|finally)\b")
_DEFINES = re.compile(rb"^(?:class|def|async\s+def)\s+(\w+)", re.MULTILINE)
# What needs a newer Python than the first this grader runs under: pattern, words, version.
_NEWER = (
    (r"type\s+\w+.*=", "`type X = …`", (3, 12)),
    (r"(async\s+)?def\s+\w+\s*\[", "`def f[T](…)`", (3, 12)),
    (r"class\s+\w+\s*\[", "`class X[T]`", (3, 12)),
    (
        r".*\b[fF]([\"']).*\{[^{}]*(\1|\\)[^{}]*\}",
        "a quote or a backslash inside of an f-string",
        (3, 12),
    ),
    (r"except\s+[\w.]+\s*,\s*[\w.]+", "`except A, B:` without brackets", (3, 14)),
    (r".*(^|[\s(=,])[tT][rR]?[\"']", "a t-string", (3, 14)),
)


@dataclass(frozen=True)
class SyntaxProblem:
    """A place that does not parse. what: in Python's words; quote: the line and a caret."""

    file: str
    line: int
    what: str
    quote: str = ""

    def __str__(self) -> str:
        place = (
            f"{self.file}, line {self.line}: {self.what}"
            if self.line
            else f"{self.file}: {self.what}"
        )
        return f"{place}\n{self.quote}" if self.quote else place


def parse(name: str, text: bytes) -> ast.Module | SyntaxProblem:
    """The tree of a file, or why it has none."""
    if b"\0" in text:
        return SyntaxProblem(name, 0, "it has NUL bytes, as UTF-16 does. Save it as UTF-8.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, filename=name)
    except SyntaxError as error:
        return _problem(name, error)
    except (ValueError, RecursionError, MemoryError) as error:
        return SyntaxProblem(name, 0, f"cannot be parsed ({type(error).__name__}: {error})")


def _problem(name: str, error: SyntaxError) -> SyntaxProblem:
    line = (error.text or "").rstrip("\n").expandtabs(1)
    shown = line.lstrip()
    caret = min(max((error.offset or 1) - 1 - (len(line) - len(shown)), 0), _MAX_LINE)
    quote = f"    {shown[:_MAX_LINE]}\n    {' ' * caret}^" if shown else ""
    return SyntaxProblem(name, error.lineno or 0, _newer(shown) or error.msg, quote)


def _newer(line: str) -> str:
    """What a line needs that this Python does not have, if it is that."""
    for pattern, words, version in _NEWER:
        if version > sys.version_info and re.match(pattern, line):
            ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
            needed = f"{version[0]}.{version[1]}"
            return f"{words} needs Python {needed} or newer; this grader runs under Python {ours}"
    return ""


@dataclass(frozen=True)
class Readable:
    """What of a file parses.

    text: the file without the statements that do not, each line in its place; problems: one for
    each of these; lost: what they would have defined.
    """

    text: bytes
    tree: ast.Module
    lost: dict[str, SyntaxProblem]
    problems: tuple[SyntaxProblem, ...]


def readable(name: str, text: bytes) -> Readable | None:
    """The statements at the top level that parse by themselves; None if there are none."""
    lines = text.splitlines(keepends=True)
    starts = [*_starts(lines), len(lines)]
    problems: list[SyntaxProblem] = []
    lost: dict[str, SyntaxProblem] = {}
    at = 0
    while at + 1 < len(starts):
        end, problem = _statement(name, lines, starts, at)
        if problem is not None:
            block = slice(starts[at], starts[end])
            problems.append(problem)
            words = _DEFINES.findall(b"".join(lines[block]))
            lost |= {word.decode(): problem for word in words}
            lines[block] = [b"\n"] * (block.stop - block.start)
        at = end
    rest = b"".join(lines)
    tree = parse(name, rest)
    if isinstance(tree, SyntaxProblem) or not tree.body or len(problems) > _MOST_BLOCKS:
        return None
    return Readable(rest, tree, lost, tuple(problems))


def _starts(lines: Sequence[bytes]) -> list[int]:
    """The lines on which statements seem to begin, counted from 0."""
    found = [0]
    decorated = bool(lines) and lines[0].startswith(b"@")
    for number, line in enumerate(lines[1:], 1):
        if _BEGINS.match(line) and not _GOES_ON.match(line):
            found += [] if decorated else [number]
            decorated = line.startswith(b"@")
    return found


def _statement(
    name: str, lines: Sequence[bytes], starts: Sequence[int], at: int
) -> tuple[int, SyntaxProblem | None]:
    """Where the statement that begins at `starts[at]` ends, as an index, and what is wrong with it.

    What seems to be several may be one: a long string, or brackets over many lines.
    """
    first = _between(name, lines, starts[at], starts[at + 1])
    if not isinstance(first, SyntaxProblem):
        return at + 1, None
    further = range(at + 2, len(starts))
    quotes = _QUOTES if "triple-quoted" in first.what else ()
    if not quotes and "never closed" not in first.what:
        further = range(0)
    ends = (e for e in further if not quotes or _has(lines[starts[e - 1] : starts[e]], quotes))
    for end in islice(ends, _MOST_TRIALS):
        if not isinstance(_between(name, lines, starts[at], starts[end]), SyntaxProblem):
            return end, None
    return at + 1, first


def _has(lines: Sequence[bytes], words: Collection[bytes]) -> bool:
    return any(word in line for line in lines for word in words)


def _between(name: str, lines: Sequence[bytes], start: int, end: int) -> ast.Module | SyntaxProblem:
    """The tree of some lines, counted as in their file."""
    return parse(name, b"\n" * start + b"".join(lines[start:end]))
