"""Texts to train on: a file, a folder of files, or one that is there without any network."""

from __future__ import annotations

import importlib
import inspect
import platform
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from grader.files import write_whole
from lab.data.fetched import SHAKESPEARE
from lab.data.places import cache
from lab.errors import LabError

_ENDINGS = (".txt", ".md", ".rst", ".py")
_LONG = 200  # characters from which a docstring is prose rather than a remark
_TRIPLE_QUOTED = re.compile(r'(^ *[rR]?)?"""(.*?)"""', re.MULTILINE | re.DOTALL)
_SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"}


def read_texts(source: str) -> list[str]:
    """The documents of a file, a folder, "default" or "shakespeare". Raises LabError."""
    if source == "default":
        return [python_documentation()]
    path = SHAKESPEARE.path() if source == "shakespeare" else Path(source)
    if source == "shakespeare" and not path.is_file():
        raise LabError("Tiny Shakespeare is not here yet: fetch it with `lab data shakespeare`")
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if f.suffix in _ENDINGS and f.is_file())
        if not files:
            raise LabError(f"{path} has no files that end in {', '.join(_ENDINGS)}")
    elif path.is_file():
        files = [path]
    else:
        raise LabError(f"there is no file or folder {path}")
    texts = [_read(file) for file in files]
    if not any(texts):
        raise LabError(f"{path} is empty")
    return [text for text in texts if text]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise LabError(f"{path} is no UTF-8 text: {error}") from error
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error}") from error


def python_documentation() -> str:
    """What Python says of itself: a book of 1.7 MB that every installation carries.

    The topics of help(), then the longer docstrings of the standard library. Put together once
    for each version of Python.
    """
    kept = cache() / "texts" / f"python-{platform.python_version()}.txt"
    if not kept.is_file():
        text = "\n\n".join([*_topics(), *_docstrings()])
        try:
            write_whole(kept, "".join(c for c in text if c == "\n" or " " <= c <= "~"))
        except OSError as error:
            raise LabError(f"{kept} cannot be written: {error}") from error
    return _read(kept)


def _topics() -> list[str]:
    try:
        return list(importlib.import_module("pydoc_data.topics").topics.values())
    except ImportError:  # some distributions part it from the rest
        return []


def _docstrings() -> Iterator[str]:
    """What stands between triple quotes at the beginning of a line, which is docstrings, mostly."""
    library = Path(sysconfig.get_paths()["stdlib"])
    for file in sorted(library.rglob("*.py")):
        if _SKIPPED.intersection(file.relative_to(library).parts):
            continue
        source = file.read_text(encoding="utf-8", errors="ignore")
        for begins_line, text in (match.groups() for match in _TRIPLE_QUOTED.finditer(source)):
            if begins_line is not None and len(text) >= _LONG:
                yield inspect.cleandoc(text)
