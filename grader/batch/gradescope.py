"""Who handed in what, by the file that lies in an export of Gradescope's."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grader.person import Label, Person
from grader.submission import UnusableInput

METADATA = "submission_metadata.yml"


def submitters(folder: Path) -> Mapping[str, Label]:
    """What is told of each file or folder of an export; nothing where it is none.

    Raises UnusableInput or OSError.
    """
    file = folder / METADATA
    if not file.is_file():
        return {}
    try:
        import yaml  # type: ignore[import-untyped]  # its types are another package
    except ImportError:
        raise UnusableInput(
            f"{file}: to read who handed in what takes PyYAML: pip install "
            "'gpt2-interview-kit[similarity]'"
        ) from None
    try:
        found = yaml.load(file.read_text(encoding="utf-8-sig"), _loader(yaml))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise UnusableInput(f"{file}: not YAML that can be read ({error})") from error
    entries = found.items() if isinstance(found, dict) else ()
    return {str(name): _label(str(name), told) for name, told in entries if isinstance(told, dict)}


def _loader(yaml: Any) -> Any:
    """A safe loader that takes what Ruby marks as its own for nothing."""

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # untyped
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
    return Loader


def _label(name: str, told: Mapping[str, Any]) -> Label:
    """Keys are Ruby's symbols, such as ":name"."""
    submitters = told.get(":submitters")
    people = tuple(
        Person(
            **{
                field: str(one.get(key) or "")
                for field, key in (("name", ":name"), ("id", ":sid"), ("email", ":email"))
            }
        )
        for one in (submitters if isinstance(submitters, list) else ())
        if isinstance(one, dict)
    )
    when = told.get(":created_at")
    order = int(when.timestamp()) if isinstance(when, datetime.datetime) else 0
    return Label("", people, order=order)
