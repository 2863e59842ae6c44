"""Known submissions that are kept as edits of another one, and written out when they are asked for.

A table `edits.toml` in a folder of submissions has an entry for each:

    [argmin]
    base = "accepted/plain"     # or "solution"
    part = "Greedy"             # and whatever else stands in the header
    edits = '''
    -    return logits.argmax(-1)
    +    return logits.argmin(-1)
    '''

Lines that begin with a minus or a space stand in the base, once and together; those with a minus go
and those with a plus come. An empty line ends an edit, after which another one may follow.

    python -m tests.edits generation/wrong/argmin       prints one as a file
"""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import tomli

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parent / "submissions"
TABLE = "edits.toml"
TWISTS = "twists"  # the folder of those that are asked for with twists
HEADER = (
    "verdict",
    "part",
    "cause",
    "causes",
    "points",
    "says",
    "style",
    "group",
    "status",
    "tries",
    "twist",
)


class EditError(Exception):
    """An edit does not fit its base. The message says which, and why."""


@cache
def written_out(folder: str) -> tuple[Path, ...]:
    """The submissions that a folder keeps as edits, as files of a temporary place."""
    table = FOLDER / folder / TABLE
    if not table.exists():
        return ()
    place = _place() / folder
    place.mkdir(parents=True, exist_ok=True)
    files = []
    for name, entry in tomli.loads(table.read_text(encoding="utf-8")).items():
        file = place / f"{name}.py"
        try:
            file.write_text(text_of(folder, entry), encoding="utf-8")
        except EditError as error:
            raise EditError(f"{folder}/{name}: {error}") from None
        files.append(file)
    return tuple(files)


@cache
def _place() -> Path:
    place = Path(tempfile.mkdtemp(prefix="known-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def text_of(folder: str, entry: dict[str, str]) -> str:
    """The file that an entry stands for: its header, and the base with its edits."""
    entry = {"verdict": "fail", **entry}
    header = [f"# {key}: {entry[key]}\n" for key in HEADER if key in entry]
    lines = body(_base_text(folder, entry["base"]))
    placed = [(_place_of(lines, old), len(old), new) for old, new in _edits(entry["edits"])]
    for start, length, new in sorted(placed, reverse=True):  # those before it stay where they are
        lines[start : start + length] = new
    return "".join([*header, "\n", *lines])


def _base_text(folder: str, base: str) -> str:
    """The text that is edited: of a file, or of what another table keeps as edits."""
    file = base_file(folder, base)
    if file.exists():
        return file.read_text(encoding="utf-8")
    place, _, name = base.rpartition("/")
    other = (Path(folder).parent / place).as_posix()
    table = tomli.loads((FOLDER / other / TABLE).read_text(encoding="utf-8"))
    return text_of(other, table[name])


def base_file(folder: str, base: str) -> Path:
    """The file that is edited: "solution", or one of a folder beside this one."""
    exercise = folder.split("/")[0] if "/" in folder else "gpt2"
    exercise = "gpt2" if exercise == TWISTS else exercise
    if base == "solution":
        return ROOT / "solutions" / f"{exercise}.py"
    return (FOLDER / folder).parent / f"{base}.py"


def body(text: str) -> list[str]:
    """The lines of a submission behind its header, with their ends."""
    lines = text.splitlines(keepends=True)
    while lines and lines[0].startswith(tuple(f"# {key}: " for key in HEADER)):
        lines.pop(0)
    while lines and not lines[0].strip():
        lines.pop(0)
    return lines


def _edits(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """The lines of the base and those in their place, of one edit after another."""
    old: list[str] = []
    new: list[str] = []
    for line in [*text.splitlines(keepends=True), "\n"]:
        sign, rest = line[:1], line[1:]
        if sign == "\n":
            if old or new:
                yield old, new
            old, new = [], []
        elif sign not in "-+ ":
            raise EditError(f"a line begins with neither minus, plus nor space: {line!r}")
        else:
            old += [rest] if sign in "- " else []
            new += [rest] if sign in "+ " else []


def _place_of(lines: list[str], old: list[str]) -> int:
    """Where these lines begin in the base. Raises EditError unless that is one place."""
    starts = range(len(lines) - len(old) + 1)
    places = [start for start in starts if lines[start : start + len(old)] == old]
    if not old or len(places) != 1:
        raise EditError(f"these lines stand in the base {len(places)} times:\n{''.join(old)}")
    return places[0]


if __name__ == "__main__":
    folder, _, name = sys.argv[1].rpartition("/")
    found = {file.stem: file for file in written_out(folder)}
    sys.stdout.write(found[name].read_text(encoding="utf-8"))
