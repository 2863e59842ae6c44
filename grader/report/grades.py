"""The grades of a batch as the gradebooks of platforms import them: a line for each person.

Moodle: mod/assign/feedback/offline/importgradeslib.php takes "Identifier" (`hiddenuser` and the
number), "Grade" and "Last modified (grade)". Canvas: lib/gradebook_importer.rb takes "Student" and
"ID" first, "Section" last of what is about people, then assignments by their title. Gradescope: the
columns of its own "Download Grades".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grader.person import Person
from grader.report.table import Row
from grader.text import csv_cell

_MOODLE = (
    *("Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade"),
    *("Grade can be changed", "Last modified (submission)", "Last modified (grade)"),
    "Feedback comments",
)
_CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
_GRADESCOPE = (
    *("First Name", "Last Name", "SID", "Email", "Total Score", "Max Points", "Status"),
    *("Submission ID", "Submission Time", "Lateness (H:M:S)"),
)
_POINTS_POSSIBLE = "    Points Possible"  # as Canvas's own export has it
Table = list[list[str]]


@dataclass(frozen=True)
class Grade:
    """What one person gets. row: None if they handed in nothing."""

    person: Person
    row: Row | None

    @property
    def points(self) -> str:
        """As a number; "" where there is none."""
        return f"{self.row.score:g}" if self.row and self.row.graded else ""

    @property
    def told(self) -> str:
        """Why there are these points, in a few words."""
        if self.row is None:
            return ""
        causes = ", ".join(self.row.causes)
        return self.row.by_hand or causes or ("" if self.row.graded else self.row.message)


def grades(rows: Sequence[Row], missing: Sequence[Person]) -> list[Grade]:
    """A line for each person of whom something counts, and for those who handed in nothing."""
    found = [Grade(p, row) for row in rows if row.counted for p in row.people]
    return found + [Grade(person, None) for person in missing]


def as_moodle(found: Sequence[Grade], most: float, title: str) -> Table:
    """The offline grading worksheet."""
    lines = [
        [
            f"Participant {grade.person.record}" if grade.person.record else "",
            *(grade.person.name, grade.person.email),
            "Submitted for grading" if grade.row else "No submission",
            *(grade.points, f"{most:g}", "Yes", _NONE, _NONE, grade.told),
        ]
        for grade in found
    ]
    return [list(_MOODLE), *lines]


def as_canvas(found: Sequence[Grade], most: float, title: str) -> Table:
    """The gradebook, with one assignment."""
    lines = [
        [*(p.name, p.record, p.id, p.login or p.email, p.section), grade.points]
        for grade in found
        for p in (grade.person,)
    ]
    return [[*_CANVAS, title], [_POINTS_POSSIBLE, "", "", "", "", f"{most:g}"], *lines]


def as_gradescope_csv(found: Sequence[Grade], most: float, title: str) -> Table:
    """The scores of one assignment."""
    return [list(_GRADESCOPE), *(_of_gradescope(grade, most) for grade in found)]


def _of_gradescope(grade: Grade, most: float) -> list[str]:
    first, _, last = grade.person.name.rpartition(" ")
    if "," in grade.person.name:
        last, _, first = (part.strip() for part in grade.person.name.partition(","))
    status = "Missing" if grade.row is None else "Graded" if grade.points else "Ungraded"
    name = grade.row.name if grade.row else ""
    return [
        *(first, last, grade.person.id, grade.person.email),
        *(grade.points, f"{most:.1f}", status, name, "", ""),
    ]


FORMS: dict[str, Callable[[Sequence[Grade], float, str], Table]] = {
    "moodle": as_moodle,
    "canvas": as_canvas,
    "gradescope-csv": as_gradescope_csv,
}


_NONE = "-"  # what Moodle writes, and takes, for no date


def _cell(text: str) -> str:
    return text if text == _NONE else csv_cell(text)


def as_text(table: Table) -> str:
    """The table as CSV, without a byte order mark, which Canvas takes for a part of a name."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([map(_cell, line) for line in table])
    return file.getvalue()
