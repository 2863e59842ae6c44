"""Hand-ins as platforms export them, each with what a fair interviewer wants.

How the exports look is public:
- Moodle: `get_student_prefix` and `load_submissionplugin_filelist` in mod/assign/classes/
  downloader.php of moodle/moodle; with and without "Download submissions in folders"; texts as
  `get_files` in mod/assign/submission/onlinetext/locallib.php has them.
- Canvas: `get_filename`, `add_upload_submission` and `add_text_or_url` in lib/content_zipper.rb of
  instructure/canvas-lms, and app/views/assignments/text_entry_page.html.erb.
- Gradescope: "Export Submissions" of
  https://guides.gradescope.com/hc/en-us/articles/22066784117901, with submission_metadata.yml.
- GitHub Classroom: a repository is called by the assignment and the login; `gh classroom clone
  student-repos` of https://docs.github.com/en/education/manage-coursework-with-github-classroom
  puts all into one folder "…-submissions".
- E-mail: whatever people attach, saved by whom it is from.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.handed_in import FOLDERS, PDF, SEVERAL, SINGLE, Files
from tests.packing import RIGHT, STUB, Content, archive, typed

_NAMES = (
    *("Ada Lovelace", "Alan Turing", "Grace Hopper", "Jürgen Müller", "Chloé O'Neil-Martin"),
    *("Nguyễn Văn An", "李 明", "Åsa Öberg", "Ludwig van Beethoven", "Zoë Smith"),
)


@dataclass(frozen=True)
class Wanted:
    """What is to come of a hand-in. words: what an interviewer is told."""

    verdict: str
    person: str = ""
    late: bool = False
    counted: bool = True
    words: str = ""


@dataclass
class Export:
    """What lies in one folder. wanted: for each row what is to come of it; roster: a CSV file."""

    files: dict[str, Content] = field(default_factory=dict)
    wanted: dict[str, Wanted] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()
    roster: str = ""
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    take: str = "last"

    def put(self, where: Path) -> Path:
        """Write it all; the folder."""
        for name, content in self.files.items():
            path = where / name
            if name.endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return where

    def add(self, row: str, files: Files, wanted: Wanted) -> None:
        self.files |= files
        self.wanted[row] = wanted


def people() -> Iterator[str]:
    """As many people as it takes, all of different names."""
    for number in itertools.count():
        name = _NAMES[number % len(_NAMES)]
        yield name if number < len(_NAMES) else f"{name} {_roman(number // len(_NAMES))}"


def _roman(number: int) -> str:
    return "I" * number if number < 4 else "V" + "I" * (number - 5) if number > 4 else "IV"


def _under(folder: str, files: Files) -> dict[str, Content]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def moodle_folders() -> Export:
    export = Export()
    for number, (person, (files, verdict)) in enumerate(
        zip(people(), (SINGLE | SEVERAL | FOLDERS).values(), strict=False), 101
    ):
        folder = f"{person}_{number}_assignsubmission_file_"
        export.add(folder, _under(folder, files), Wanted(verdict, person))
    export.files |= {"Zoe Late_900_assignsubmission_file_/": "", "Thumbs.db": b"\0"}
    export.passed_over = ("Thumbs.db", "Zoe Late_900_assignsubmission_file_")
    return export


def moodle_new_folders() -> Export:
    """As of Moodle 4, whose folders have no line at their end; online texts and groups, too."""
    export = Export()
    for person, number in (("Ada Lovelace", 1), ("Participant", 7), ("Group A", 3)):
        folder = f"{person}_{number}_assignsubmission_file"
        name = "Participant 7" if person == "Participant" else person
        export.add(folder, _under(folder, {"gpt2.py": RIGHT}), Wanted("pass", name))
    both = ("Alan Turing_2_assignsubmission_file", "Alan Turing_2_assignsubmission_onlinetext")
    files = {f"{both[0]}/gpt2.py": RIGHT, f"{both[1]}/onlinetext.html": "<p>Done.</p>"}
    export.add("Alan Turing_2", files, Wanted("pass", "Alan Turing"))
    typed_in = "Chloé O'Neil_6_assignsubmission_onlinetext"
    page = f"<!DOCTYPE html><html><head></head><body><p>{typed(RIGHT)}</p></body></html>"
    export.add(typed_in, {f"{typed_in}/onlinetext.html": page}, Wanted("pass", "Chloé O'Neil"))
    text = "Grace Hopper_5_assignsubmission_onlinetext"
    export.add(
        text, {f"{text}/onlinetext.html": "<p>Sorry</p>"}, Wanted("ungraded", "Grace Hopper")
    )
    return export


def moodle_files() -> Export:
    export = Export()
    for number, (person, (files, verdict)) in enumerate(
        zip(people(), SINGLE.values(), strict=False), 101
    ):
        start = f"{person}_{number}_assignsubmission_file_"
        ((name, content),) = files.items()
        export.add(f"{start}{name}", {f"{start}{name}": content}, Wanted(verdict, person))
    for number, (person, (files, verdict)) in enumerate(
        zip(people(), SEVERAL.values(), strict=False), 901
    ):
        start = f"{person}_{number}_assignsubmission_file_"
        own = {f"{start}{name}": content for name, content in files.items()}
        export.add(f"{person}_{number}", own, Wanted(verdict, person))
    return export


def _canvas_name(person: str) -> str:
    """The sortable name, as content_zipper.rb writes it."""
    first, _, last = person.rpartition(" ")
    return "".join(c for c in f"{last}, {first}".lower() if c.isalnum())


def canvas() -> Export:
    export = Export()
    roster = ["Student,ID,SIS User ID,SIS Login ID,Section", "    Points Possible,,,,"]
    found = enumerate(zip(people(), (SINGLE | SEVERAL).values(), strict=False), 2001)
    for number, (person, (files, verdict)) in found:
        late = number % 5 == 0
        start = f"{_canvas_name(person)}_{'LATE_' if late else ''}{number}"
        own = {
            f"{start}_{number * 10 + n}_{name}": content
            for n, (name, content) in enumerate(files.items())
        }
        row = next(iter(own)) if len(own) == 1 else start.replace("_LATE", "")
        first, _, last = person.rpartition(" ")
        export.add(row, own, Wanted(verdict, f"{last}, {first}", late))
        roster.append(f'"{last}, {first}",{number},s{number},l{number},001')
    export.add(
        "noethere_9001_text.html",
        {"noethere_9001_text.html": "<p>Here</p>"},
        Wanted("ungraded", "Noether, E"),
    )
    page = f"<html><h1>GPT-2: Amalie</h1>\n<div>\n <p>{typed(RIGHT)}</p>\n</div></html>"
    name = "emmyamalie_9003_text.html"
    export.add(name, {name: page}, Wanted("pass", "Emmy, Amalie"))
    roster += ['"Emmy, Amalie",9003,s9003,l9003,001']
    roster += ['"Noether, E",9001,s9001,l9001,001', '"Curie, Marie",9002,s9002,l9002,001']
    export.roster, export.missing = "\n".join(roster) + "\n", ("Curie, Marie",)
    return export


def canvas_anonymous() -> Export:
    export = Export()
    for name, late in (("anon_aB3xZ_77_gpt2.py", False), ("LATE_anon_Qq1wW_78_gpt2.py", True)):
        export.add(name, {name: RIGHT}, Wanted("pass", "anon_" + name.split("anon_")[1][:5], late))
    return export


def gradescope() -> Export:
    export = Export()
    metadata = []
    contents = (SINGLE | SEVERAL | FOLDERS).values()
    for number, (person, (files, verdict)) in enumerate(
        zip(people(), contents, strict=False), 3001
    ):
        folder = f"submission_{number}"
        export.add(folder, _under(folder, files), Wanted(verdict, person))
        metadata.append(
            f"{folder}:\n  :submitters:\n  - :name: \"{person}\"\n    :sid: '{number}'\n"
            f"    :email: p{number}@example.org\n  :created_at: 2026-03-01 10:00:00.000000000 Z\n"
            "  :score: 0.0\n  :status: processed\n"
        )
    export.add(
        "submission_4000", {"submission_4000/gpt2.py": RIGHT}, Wanted("pass", "Pair One, Pair Two")
    )
    metadata.append(
        "submission_4000:\n  :submitters:\n  - :name: Pair One\n    :sid: '1'\n"
        "  - :name: Pair Two\n    :sid: '2'\n"
    )
    export.files["submission_metadata.yml"] = "---\n" + "".join(metadata)
    export.passed_over = ("submission_metadata.yml",)
    return export


def gradescope_wrapped() -> Export:
    """The folder that the export is in, given as it was unpacked."""
    inside = gradescope()
    return Export(
        {f"assignment_9100_export/{name}": content for name, content in inside.files.items()},
        inside.wanted,
        inside.passed_over,
    )


def classroom() -> Export:
    export = Export(roster='"identifier","github_username","github_id","name"\n')
    contents = (SINGLE | SEVERAL | FOLDERS).values()
    for number, (files, verdict) in enumerate(contents, 1):
        login = f"student-{number}"
        folder = f"gpt2-interview-{login}"
        more = {
            ".git/HEAD": "ref: refs/heads/main\n",
            ".github/workflows/classroom.yml": "on: push",
        }
        own = _under(folder, {**files, **more})
        export.add(folder, own, Wanted(verdict, f"Student No {number}"))
        export.roster += f'"s{number}@example.org","{login}","{number}","Student No {number}"\n'
    export.roster += '"s99@example.org","nobody-99","99","No Body"\n'
    export.missing = ("No Body",)
    return export


def classroom_cloned() -> Export:
    """What `gh classroom clone student-repos` makes, without a roster."""
    export = Export()
    for login in ("ada", "adam", "grace-h"):
        folder = f"gpt2-{login}"
        own = {f"{folder}/.git/HEAD": "ref", f"{folder}/README.md": "x", f"{folder}/gpt2.py": RIGHT}
        export.files |= {f"gpt2-submissions/{name}": content for name, content in own.items()}
        export.wanted[folder] = Wanted("pass", login)
    return export


def mail() -> Export:
    """Attachments, saved by whom they are from in whatever way."""
    export = Export(roster="Vorname;Nachname;E-Mail;Matrikelnummer;Login\n", unknown=("gpt2.py",))
    spellings: tuple[Callable[[str, str, int], str], ...] = (
        lambda first, last, number: f"{first.lower()}_{last.lower()}_",
        lambda first, last, number: f"{last}{first}-",
        lambda first, last, number: f"{number} ",
        lambda first, last, number: f"login{number}_",
        lambda first, last, number: f"{last.upper()}, {first.upper()} - ",
    )
    for number, (files, verdict) in enumerate(SINGLE.values(), 70001):
        first, last = f"{_letters(number)}ana", f"{_letters(number)}escu"
        ((name, content),) = files.items()
        file = f"{spellings[number % len(spellings)](first, last, number)}{name}"
        export.add(file, {file: content}, Wanted(verdict, f"{first} {last}"))
        export.roster += f"{first};{last};{first}@x.org;{number};login{number}\n"
    for number, (files, verdict) in enumerate((SEVERAL | FOLDERS).values(), 80001):
        first, last = f"{_letters(number)}ion", f"{_letters(number)}rath"
        folder = f"{first} {last}"
        export.add(folder, _under(folder, files), Wanted(verdict, folder))
        export.roster += f"{first};{last};;{number};\n"
    export.add("gpt2.py", {"gpt2.py": RIGHT}, Wanted("pass"))
    export.roster += "Marie;Curie;;1;\n"
    export.missing = ("Marie Curie",)
    export.files |= {"Thumbs.db": b"\0", "desktop.ini": "", "people.csv": "a,b\n", "empty/": ""}
    export.passed_over = ("Thumbs.db", "desktop.ini", "empty", "people.csv")
    return export


def _letters(number: int) -> str:
    """A word of its own for each number."""
    return "B" + "".join("aeioubdfgk"[int(digit)] for digit in str(number))


def attempts(take: str) -> Export:
    """Several by the same people: the last one, or the best one, counts."""
    export = Export(roster="name,login\nAda Lovelace,ada\nAlan Turing,alan\n", take=take)
    last = take == "last"
    for file, content, verdict, counted in (
        ("ada-gpt2.py", RIGHT, "pass", not last),
        ("ada-gpt2 (1).py", STUB, "fail", False),
        ("ada-gpt2 (2).py", STUB, "fail", last),
        ("ada-gpt2 (3).pdf", PDF, "ungraded", False),
        ("alan_gpt2_v1.py", STUB, "fail", False),
        ("alan_gpt2_final.py", RIGHT, "pass", True),
    ):
        person = "Ada Lovelace" if file.startswith("ada") else "Alan Turing"
        export.add(file, {file: content}, Wanted(verdict, person, counted=counted))
    return export


def namesakes() -> Export:
    """Names that fit two people are nobody's, until something tells them apart."""
    roster = "name,email\nAnna Schmidt,anna.s@x.org\nAnna Weber,anna.w@x.org\nBen Weber,ben@x.org\n"
    export = Export(roster=roster, unknown=("anna.py", "weber.py"))
    for file, person in (
        ("anna.py", ""),
        ("weber.py", ""),
        ("anna weber.py", "Anna Weber"),
        ("anna.s.py", "Anna Schmidt"),
        ("ben-gpt2.py", "Ben Weber"),
        ("anna.s@x.org & ben@x.org.zip", "Anna Schmidt, Ben Weber"),
    ):
        content = archive("a.zip", {"gpt2.py": RIGHT}) if file.endswith(".zip") else RIGHT
        export.add(file, {file: content}, Wanted("pass", person))
    return export


def moodle_with_roster() -> Export:
    """Names as people write them: other orders, accents and middle names than on the list."""
    roster = "name,id\nAda Lovelace,1\nJürgen Müller,2\nGrace Hopper,3\nAlan Turing,4\nYu Li,5\n"
    unknown = ("Eve Moore_15_assignsubmission_file",)
    export = Export(roster=roster, missing=("Yu Li",), unknown=unknown)
    for number, (name, person) in enumerate(
        (
            ("Ada King Lovelace", "Ada Lovelace"),
            ("Juergen Mueller", "Jürgen Müller"),
            ("Hopper, Grace", "Grace Hopper"),
            ("alan turing", "Alan Turing"),
            ("Eve Moore", "Eve Moore"),
        ),
        11,
    ):
        folder = f"{name}_{number}_assignsubmission_file"
        export.add(folder, _under(folder, {"gpt2.py": RIGHT}), Wanted("pass", person))
    return export


EXPORTS: dict[str, Callable[[], Export]] = {
    "Moodle, folders": moodle_folders,
    "Moodle 4": moodle_new_folders,
    "Moodle, roster": moodle_with_roster,
    "Moodle, files": moodle_files,
    "Canvas": canvas,
    "Canvas, anonymous": canvas_anonymous,
    "Gradescope": gradescope,
    "Gradescope, wrapped": gradescope_wrapped,
    "Classroom": classroom,
    "Classroom, cloned": classroom_cloned,
    "e-mail": mail,
    "attempts, last": lambda: attempts("last"),
    "attempts, best": lambda: attempts("best"),
    "namesakes": namesakes,
}


def situations() -> Sequence[str]:
    """How many ways of handing in there are: each content once for each kind of export."""
    kinds = {
        "Moodle, folders": SINGLE | SEVERAL | FOLDERS,
        "Moodle, files": SINGLE | SEVERAL,
        "Canvas": SINGLE | SEVERAL,
        "Gradescope": SINGLE | SEVERAL | FOLDERS,
        "Classroom": SINGLE | SEVERAL | FOLDERS,
        "e-mail": SINGLE | SEVERAL | FOLDERS,
    }
    return [f"{kind}: {how}" for kind, contents in kinds.items() for how in contents]
