"""Texts with labels: AG News as it is published, or any CSV with a header."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

_HELD_OUT = 0.1  # of a single file, for measuring
_TRAIN = ("train.csv", "train_5000.csv")
_COLUMNS = 3  # class, title, description

Row = tuple[str, int]  # a text, and the number of its class


@dataclass(frozen=True)
class Labelled:
    """Rows to learn from, rows to be measured on, and the names of the classes."""

    train: list[Row]
    test: list[Row]
    classes: list[str]


def read_labelled(path: Path, text: str | None, label: str | None, test: Path | None) -> Labelled:
    """The data of a folder in AG News' form, or of a CSV with these two columns."""
    if path.is_dir():
        return _folder(path)
    if text is None or label is None:
        raise LabError(f"{path} is one file: name its columns with --text and --label")
    rows = _named_columns(path, text, label)
    if test is not None:
        train, held_out = rows, _named_columns(test, text, label)
    else:
        random.Random(0).shuffle(rows)
        split = len(rows) - int(len(rows) * _HELD_OUT)
        train, held_out = rows[:split], rows[split:]
    classes = sorted({name for _, name in train})
    numbers = {name: number for number, name in enumerate(classes)}
    unknown = sorted({name for _, name in held_out} - set(classes))
    if unknown:
        raise LabError(f"no row to learn from has the class {unknown[0]!r}")
    return _checked(
        path,
        Labelled(
            [(words, numbers[name]) for words, name in train],
            [(words, numbers[name]) for words, name in held_out],
            classes,
        ),
    )


def _folder(folder: Path) -> Labelled:
    names = [name for name in _TRAIN if (folder / name).is_file()]
    for needed in ("test.csv", "classes.txt"):
        if not names or not (folder / needed).is_file():
            raise LabError(f"{folder} needs {' or '.join(_TRAIN)}, test.csv and classes.txt")
    classes = (folder / "classes.txt").read_text(encoding="utf-8").split("\n")
    classes = [name.strip() for name in classes if name.strip()]
    train = _three_columns(folder / names[0], len(classes))
    return _checked(
        folder, Labelled(train, _three_columns(folder / "test.csv", len(classes)), classes)
    )


def _three_columns(path: Path, classes: int) -> list[Row]:
    """Rows of class, title and description, without a header."""
    rows = []
    for number, row in _rows(path):
        if len(row) != _COLUMNS:
            raise LabError(
                f"{path}, line {number}: expected class, title, description; found {len(row)} "
                "columns"
            )
        if not row[0].isdecimal() or not 1 <= int(row[0]) <= classes:
            raise LabError(
                f"{path}, line {number}: the class is a number from 1 to {classes}, not {row[0]!r}"
            )
        rows.append((f"{row[1]} {row[2]}".strip(), int(row[0]) - 1))
    return rows


def _named_columns(path: Path, text: str, label: str) -> list[tuple[str, str]]:
    """Two columns of a CSV whose first line names them."""
    rows = _rows(path)
    header = rows[0][1] if rows else []
    for column in (text, label):
        if column not in header:
            raise LabError(f"{path} has no column {column!r}; it has: {', '.join(header)}")
    at, at_label = header.index(text), header.index(label)
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise LabError(f"{path}, line {number}: {len(row)} columns, expected {len(header)}")
    return [(row[at], row[at_label]) for _, row in rows[1:]]


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """All rows that hold something, with the line each ends in."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            return [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabError(f"{path} cannot be read: {error}") from error


def _checked(path: Path, data: Labelled) -> Labelled:
    if not data.train or not data.test or len(data.classes) < 2:
        raise LabError(
            f"{path} is too little: {len(data.train)} rows to learn from, {len(data.test)} to "
            f"measure on, {len(data.classes)} classes"
        )
    return data


def per_class(table: Sequence[Sequence[int]], classes: Sequence[str]) -> list[dict[str, object]]:
    """Precision, recall and F1 of each class. table[i][j]: how many of i were taken for j."""
    lines: list[dict[str, object]] = []
    for i, name in enumerate(classes):
        right, was, taken = table[i][i], sum(table[i]), sum(row[i] for row in table)
        lines.append(
            {
                "class": name,
                "precision": right / taken if taken else 0.0,
                "recall": right / was if was else 0.0,
                "f1": 2 * right / (was + taken) if was + taken else 0.0,
                "rows": was,
            }
        )
    return lines
