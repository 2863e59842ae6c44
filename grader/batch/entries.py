"""What lies in a folder of submissions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grader.catalogue import EXERCISES
from grader.grading import Options
from grader.submission import Submission, UnusableInput, unusable


@dataclass(frozen=True)
class Entry:
    """One file, folder or archive: one submission, one row."""

    path: Path

    @property
    def name(self) -> str:
        """What it is called in the table, and its reports are named for."""
        return self.path.name

    def read(self, options: Options) -> Submission:
        """The submission; one that cannot be read says so in place of all checks."""
        file = EXERCISES[options.exercise].file
        try:
            if self.path.is_symlink():  # to something of the interviewer's own, perhaps
                raise UnusableInput(f"{self.path}: a symbolic link. Put the file itself there.")
            return options.read(self.path, options.exercise, beside=False)
        except UnusableInput as error:
            return unusable(self.path, file, error)
        except Exception as error:  # whatever it is, it costs this one its row and no other
            words = f"{self.path}: cannot be read ({type(error).__name__}: {error})"
            return unusable(self.path, file, UnusableInput(words))


def entries(folder: Path, out: Path) -> list[Entry]:
    """Everything in the folder by name, but for hidden files and the results.

    Raises UnusableInput.
    """
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise UnusableInput(f"{folder}: {what}. Give the folder that holds the submissions.")
    results = out.resolve()
    try:
        found = [
            Entry(path)
            for path in sorted(folder.iterdir())
            if not path.name.startswith(".")
            and path.name != "__pycache__"
            and (path.is_symlink() or path.resolve() != results)
        ]
    except OSError as error:
        raise UnusableInput(f"{folder}: cannot be read ({error.strerror})") from error
    if not found:
        raise UnusableInput(f"{folder}: it is empty. Give the folder that holds the submissions.")
    return found
