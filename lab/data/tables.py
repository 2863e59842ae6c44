"""Tables as people have them: CSV with any delimiter, in any usual encoding, and JSON Lines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError

_DELIMITERS = (",", ";", "\t", "|")
_JSON = (".jsonl", ".ndjson", ".json")
_TOLD_DELIMITER = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)  # Excel's first line
_LONGEST_FIELD = 2**31 - 1  # csv's own limit is 131,072, its highest a C long
# How files begin that say their encoding themselves.
_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


@dataclass(frozen=True)
class Table:
    """Rows of cells, each with the line that it ends in. notes: what the user should know."""

    rows: list[tuple[int, list[str]]]
    notes: tuple[str, ...] = ()


def read_rows(path: Path, fits: Callable[[list[str]], bool]) -> Table:
    """All rows of a CSV that hold something. Raises LabError.

    fits: whether a first row is one that is looked for; that decides on the delimiter.
    """
    text, notes = decoded(path)
    if told := _TOLD_DELIMITER.match(text):
        text = text[told.end() :]
    delimiter = told[1] if told else _delimiter(text, fits)
    rows = list(_parsed(path, text, delimiter, csv.QUOTE_MINIMAL))
    if delimiter == "\t" and len({len(row) for _, row in rows}) > 1:
        # There a quote is often a character like any other.
        rows = list(_parsed(path, text, delimiter, csv.QUOTE_NONE))
    return Table(rows, notes)


def read_columns(path: Path, columns: Sequence[str]) -> Table:
    """Those columns of a CSV whose first line names them, or fields of JSON Lines, as text.

    Columns of a CSV without names go by their numbers, from 1. Spaces around a cell are none of
    it. Raises LabError.
    """
    if path.suffix.lower() in _JSON:
        return _fields(path, columns)
    table = read_rows(path, lambda row: {*columns} <= {*map(str.strip, row)})
    header = [name.strip() for name in table.rows[0][1]] if table.rows else []
    numbered = not {*columns} & {*header} and all(map(str.isdecimal, columns))
    names = [str(number) for number, _ in enumerate(header, 1)] if numbered else header
    for column in columns:
        if column not in names:
            raise LabError(f"{path} has no column {column!r}; it has: {', '.join(names)}")
    places = [names.index(column) for column in columns]
    found = table.rows if numbered else table.rows[1:]
    for line, row in found:
        if len(row) != len(names):
            raise LabError(f"{path}, line {line}: {len(row)} columns, expected {len(names)}")
    return Table([(line, [row[n].strip() for n in places]) for line, row in found], table.notes)


def header(path: Path) -> list[str]:
    """The names in the first row of a CSV, or of the fields of JSON Lines. Raises LabError."""
    if path.suffix.lower() in _JSON:
        return list(next(_records(path, decoded(path)[0]), (0, {}))[1])
    rows = read_rows(path, lambda row: False).rows
    return [name.strip() for name in rows[0][1]] if rows else []


def decoded(path: Path) -> tuple[str, tuple[str, ...]]:
    """The text of a file, and what to say of its encoding. Raises LabError.

    What is no UTF-8 is read as Windows-1252: Latin-1, with Windows' own quotes and dashes in it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error}") from error
    marked = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    notes: tuple[str, ...] = ()
    try:
        text = data.decode(marked)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        notes = (
            f"{path} is no {marked.upper()} (byte 0x{data[error.start]:02x} in line {line}): it is "
            "read as Windows-1252, the usual Latin-1",
        )
        text = _latin(data)
    if "\0" in text:
        raise LabError(f"{path} is no text: expected CSV or JSON Lines, found bytes of zero")
    return text, notes


def _latin(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:  # five bytes mean nothing there
        return data.decode("latin-1")


def _delimiter(text: str, fits: Callable[[list[str]], bool]) -> str:
    """The one that makes the first row fit; else that which makes most of it."""
    firsts = {one: _first(text, one) for one in _DELIMITERS}
    fitting = [one for one, row in firsts.items() if fits(row)]
    return fitting[0] if fitting else max(firsts, key=lambda one: len(firsts[one]))


def _first(text: str, delimiter: str) -> list[str]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    return next((row for row in reader if row), [])


def _parsed(path: Path, text: str, delimiter: str, quoting: int) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_LONGEST_FIELD)
    how: dict[str, Any] = {"delimiter": delimiter, "quoting": quoting}
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, **how)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise LabError(f"{path}, line {reader.line_num}: no CSV: {error}") from error


def _fields(path: Path, names: Sequence[str]) -> Table:
    text, notes = decoded(path)
    rows = []
    for line, record in _records(path, text):
        for name in names:
            if record.get(name) is None:
                raise LabError(
                    f"{path}, line {line}: no field {name!r}; it has: {', '.join(record)}"
                )
        rows.append((line, [str(record[name]).strip() for name in names]))
    return Table(rows, notes)


def _records(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Objects, one a line, or of one list."""
    if text.lstrip().startswith("["):
        pieces = [(1, text)]
    else:
        pieces = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    for line, piece in pieces:
        try:
            found = json.loads(piece)
        except ValueError as error:
            raise LabError(f"{path}, line {line}: no JSON: {error}") from error
        for record in found if isinstance(found, list) else [found]:
            if not isinstance(record, dict):
                raise LabError(f"{path}, line {line}: expected an object, found {piece[:40]!r}")
            yield line, record
