"""Texts to train on, read piece by piece: no more of them is in memory than a piece."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.data.fetched import SHAKESPEARE
from lab.data.texts import python_documentation
from lab.errors import LabError

_ENDINGS = (".txt", ".md", ".rst", ".py")
_JSON_LINES = (".jsonl", ".ndjson")
_PIECE = 2**20  # characters

Document = Iterable[str]  # in pieces


@dataclass(frozen=True)
class Corpus:
    """Documents, to be read as often as asked for. size: characters or bytes, about."""

    documents: Callable[[], Iterator[Document]]
    size: int

    @classmethod
    def of(cls, *texts: str) -> Corpus:
        """These texts, each a document."""
        return cls(lambda: ([text] for text in texts), sum(map(len, texts)))

    def pieces(self) -> Iterator[str]:
        """All of it, a line's width between two documents."""
        for number, document in enumerate(self.documents()):
            if number:
                yield "\n\n"
            yield from document


def read_corpus(source: str, field: str = "text") -> Corpus:
    """The documents of a file, a folder, "default" or "shakespeare". Raises LabError.

    Each file is a document, and of JSON Lines each line: `field` is what holds the text there.
    """
    if source == "default":
        return Corpus.of(python_documentation())
    path = SHAKESPEARE.path() if source == "shakespeare" else Path(source)
    if source == "shakespeare" and not path.is_file():
        raise LabError("Tiny Shakespeare is not here yet: fetch it with `lab data shakespeare`")
    endings = (*_ENDINGS, *_JSON_LINES)
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if f.suffix in endings and f.is_file())
        if not files:
            raise LabError(f"{path} has no files that end in {', '.join(endings)}")
    elif path.is_file():
        files = [path]
    else:
        raise LabError(f"there is no file or folder {path}")
    files = [file for file in files if file.stat().st_size]
    if not files:
        raise LabError(f"{path} is empty")

    def documents() -> Iterator[Document]:
        for file in files:
            if file.suffix in _JSON_LINES:
                yield from ([text] for text in _json_lines(file, field))
            else:
                yield _pieces(file)

    return Corpus(documents, sum(file.stat().st_size for file in files))


def _pieces(path: Path) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            while piece := file.read(_PIECE):
                yield piece
    except UnicodeDecodeError as error:
        raise LabError(f"{path} is no UTF-8 text: {error}") from error
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error}") from error


def _json_lines(path: Path, field: str) -> Iterator[str]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise LabError(f"{path}, line {number}: no JSON: {error}") from error
        if not isinstance(record, dict) or not isinstance(record.get(field), str):
            there = ", ".join(record) if isinstance(record, dict) else repr(record)[:40]
            raise LabError(
                f"{path}, line {number}: no text under {field!r}; it has: {there}. Name the field "
                "with --text"
            )
        if record[field]:
            yield record[field]


def _lines(path: Path) -> Iterator[str]:
    rest = ""
    for piece in _pieces(path):
        *lines, rest = (rest + piece).split("\n")
        yield from lines
    yield rest
