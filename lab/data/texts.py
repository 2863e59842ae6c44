"""A text to train on that is there without any network."""

from __future__ import annotations

import importlib
import inspect
import platform
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from grader.files import write_whole
from lab.data.places import cache
from lab.errors import LabError

_LONG = 200  # characters from which a docstring is prose rather than a remark
_TRIPLE_QUOTED = re.compile(r'(^ *[rR]?)?"""(.*?)"""', re.MULTILINE | re.DOTALL)
_SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"}


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
    try:
        return kept.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"{kept} cannot be read: {error}") from error


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
