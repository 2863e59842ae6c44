"""Texts with labels: AG News as it is published, or any table whose columns have names."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.data.tables import Table, decoded, header, read_columns, read_rows
from lab.errors import LabError

_HELD_OUT = 0.1  # of a single file, for measuring
_TRAIN = ("train.csv", "train_5000.csv")
_COLUMNS = 3  # class, title, description
# AG News as Kaggle has it: with this header, and without the names of the classes.
_KAGGLE = ["Class Index", "Title", "Description"]
_AG_NEWS = ["World", "Sports", "Business", "Sci/Tech"]

Row = tuple[str, int]  # a text, and the number of its class


@dataclass(frozen=True)
class Labelled:
    """Rows to learn from, rows to be measured on, the names of the classes; and what to tell."""

    train: list[Row]
    test: list[Row]
    classes: list[str]
    notes: tuple[str, ...] = ()


def read_labelled(
    path: Path, text: Sequence[str], label: str | None, test: Path | None
) -> Labelled:
    """The data of a folder in AG News' form, or of a table with these columns.

    text: the columns that are put together, with a space between two. Raises LabError.
    """
    if not text and label is None and path.is_dir():
        return _folder(path)
    if not text or label is None:
        there = f"; it has: {', '.join(header(path))}" if path.is_file() else ""
        raise LabError(f"{path}: name its columns with --text and --label{there}")
    if path.is_dir():
        path, test = _train_file(path), path / "test.csv"
    rows, notes = _named_columns(path, text, label)
    if test is not None:
        held_out, more = _named_columns(test, text, label)
        train, notes = rows, notes + more
    else:
        train, held_out = _parted(rows)
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
            notes,
        ),
    )


def _parted(rows: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Rows to learn from, with some of every class, and rows to measure on."""
    random.Random(0).shuffle(rows)
    split = len(rows) - int(len(rows) * _HELD_OUT)
    known = {name for _, name in rows[:split]}
    rare = [row for row in rows[split:] if row[1] not in known]
    return rows[:split] + rare, [row for row in rows[split:] if row[1] in known]


def _train_file(folder: Path) -> Path:
    """The file of a folder to learn from, beside which there is one to measure on."""
    names = [name for name in _TRAIN if (folder / name).is_file()]
    if not names or not (folder / "test.csv").is_file():
        raise LabError(f"{folder} needs {' or '.join(_TRAIN)}, and test.csv")
    return folder / names[0]


def _folder(folder: Path) -> Labelled:
    train_file, test_file, names = _train_file(folder), folder / "test.csv", folder / "classes.txt"
    train, test = (
        read_rows(file, lambda row: len(row) == _COLUMNS) for file in (train_file, test_file)
    )
    notes = train.notes + test.notes
    if names.is_file():
        text, more = decoded(names)
        classes = [name.strip() for name in text.split("\n") if name.strip()]
        notes += more
    else:
        classes = _unnamed(train)
    return _checked(
        folder,
        Labelled(
            _three_columns(train_file, train, len(classes)),
            _three_columns(test_file, test, len(classes)),
            classes,
            notes,
        ),
    )


def _unnamed(table: Table) -> list[str]:
    """Names of the classes where no file has them: known ones by their header, or numbers."""
    numbers = [int(row[0]) for _, row in table.rows if row[0].strip().isdecimal()]
    header = [cell.strip() for cell in table.rows[0][1]] if table.rows else []
    if header == _KAGGLE and max(numbers, default=0) <= len(_AG_NEWS):
        return _AG_NEWS
    return [str(number) for number in range(1, max(numbers, default=0) + 1)]


def _three_columns(path: Path, table: Table, classes: int) -> list[Row]:
    """Rows of class, title and description; a first row whose class is no number is a header."""
    rows = []
    for place, (line, row) in enumerate(table.rows):
        if len(row) != _COLUMNS:
            raise LabError(
                f"{path}, line {line}: expected class, title, description; found {len(row)} "
                "columns (other tables: name their columns with --text and --label)"
            )
        number = row[0].strip()
        if place == 0 and not number.isdecimal() and len(table.rows) > 1:
            continue
        if not number.isdecimal() or not 1 <= int(number) <= classes:
            raise LabError(
                f"{path}, line {line}: the class is a number from 1 to {classes}, not {row[0]!r}"
            )
        rows.append((f"{row[1]} {row[2]}".strip(), int(number) - 1))
    return rows


def _named_columns(
    path: Path, text: Sequence[str], label: str
) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """Texts and labels of a table with these columns, and what to tell."""
    table = read_columns(path, [*text, label])
    rows = [(" ".join(filter(None, row[:-1])), row[-1]) for _, row in table.rows if row[-1]]
    if bare := [line for line, row in table.rows if not row[-1]]:
        left_out = f"{path}: rows without a label are left out: {len(bare)}, first line {bare[0]}"
        return rows, (*table.notes, left_out)
    return rows, table.notes


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
