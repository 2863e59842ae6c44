"""Reads what was handed in: bytes, syntax, names, import policy. Never imports it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from grader.submission.archive import is_archive, read_archive
from grader.submission.facts import FORBIDDEN_NAMES, Facts, Violation, without
from grader.submission.files import (
    MAX_FILE_BYTES,
    MissingFile,
    UnusableInput,
    read_file,
    read_folder,
)

__all__ = [
    "FORBIDDEN_NAMES",
    "MAX_FILE_BYTES",
    "MissingFile",
    "Submission",
    "UnusableInput",
    "Violation",
    "read",
    "unusable",
]


PLACE = "submission"  # the folder in which all are run, as far as they can tell


@dataclass(frozen=True)
class Submission:
    """What was handed in.

    sha256: of the texts, under whatever name the main file comes;
    files: relative path -> bytes; main: the one that holds the exercise; package: the name to
    load everything under when files import one another relatively; error: why it cannot be run,
    ready to show; unwritten: classes whose forward is empty.
    """

    path: str
    folder: str
    main: str
    files: dict[str, bytes]
    sha256: str
    package: str | None = None
    error: str | None = None
    violations: tuple[Violation, ...] = field(default=())
    unwritten: frozenset[str] = frozenset()

    def nameless(self, main: str) -> Submission:
        """The same with its main file called `main` and no place: so it is judged, whoever's it
        is, and what has the same text is judged the same.
        """
        own = {self.main: main}
        return replace(
            self,
            folder=PLACE,
            main=main,
            files={own.get(name, name): text for name, text in self.files.items()},
            violations=tuple(replace(v, file=own.get(v.file, v.file)) for v in self.violations),
        )


def read(
    path: Path,
    main: str,
    others: Collection[str] = (),
    base: str | None = None,
    base_folder: Path | None = None,
    base_needed: bool = True,
    imports: Collection[str] = (),
) -> Submission:
    """Read a file, or a folder or zip archive that has the file `main`. Raises UnusableInput.

    others: files of other exercises, which are left out unless they are imported; base: the one
    of them that this one builds on, from beside it or from the base_folder; base_needed: whether
    it is an error if there is none beside it; imports: modules that the policy allows besides
    torch and Python's own.
    """
    try:
        if path.is_dir():
            root, main_name, files = path, main, read_folder(path, main)
        elif is_archive(path):
            root, (main_name, files) = path.with_suffix(""), read_archive(path, main)
        else:
            root, main_name, files = path.parent, path.name, {path.name: read_file(path)}
            if base is not None and base_folder is None and (base_needed or (root / base).exists()):
                base_folder = root
    except OSError as error:
        raise UnusableInput(f"{path}: cannot be read ({error.strerror})") from error
    files = without(files, {name for name in others if name not in (main_name, base)})
    if base is not None and (base_folder or base_needed):
        files = _with_base(path, files, base, base_folder, {*others, main_name})
    facts = Facts()
    for name, text in files.items():
        facts.add(name, text, set(files), imports)
        if facts.syntax_error is not None:
            facts = Facts(syntax_error=facts.syntax_error)
            break
    return Submission(
        path=str(path),
        folder=str(root),
        main=main_name,
        files=files,
        sha256=_digest({main if name == main_name else name: files[name] for name in files}),
        package="submission" if facts.relative else None,
        error=facts.syntax_error,
        violations=tuple(facts.violations),
        unwritten=frozenset(facts.unwritten),
    )


def _with_base(
    path: Path, files: dict[str, bytes], base: str, folder: Path | None, others: Collection[str]
) -> dict[str, bytes]:
    """The files with `base`, and what it imports, from a folder. Raises UnusableInput."""
    advice = f"Put a {base} there, or give the folder of another as --base (such as solutions)."
    if folder is None:
        if base not in files:
            raise UnusableInput(f"{path}: this exercise builds on {base}, found none. {advice}")
        return files
    try:
        found = read_folder(folder, base)
    except UnusableInput as error:
        raise UnusableInput(f"{path}: this exercise builds on {base}. {error} {advice}") from error
    except OSError as error:
        raise UnusableInput(f"{folder}: cannot be read ({error.strerror})") from error
    below = without(found, set(found) - {base})
    own = {name: text for name, text in files.items() if name != base}
    both = [name for name in own if name in below and own[name] != below[name]]
    if both:
        raise UnusableInput(
            f"{path} and {folder} both have {', '.join(both)}. Give them different names."
        )
    return below | own


def unusable(path: Path, main: str, error: UnusableInput) -> Submission:
    """What stands for something handed in that cannot be read: nothing, and why."""
    digest = _digest({"": str(error).encode("utf-8", "replace")})
    return Submission(str(path), str(path.parent), main, {}, digest, error=str(error))


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, text in sorted(files.items()):
        digest.update(os.fsencode(f"{name}\0{len(text)}\0") + text)
    return digest.hexdigest()
