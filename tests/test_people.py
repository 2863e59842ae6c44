"""Who handed in what, grades for gradebooks, and what was decided by hand."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from grader import exports
from grader.batch import BatchConfig, BatchError, Done, roster, run, saved
from grader.batch.store import letter_of, report_file
from grader.grading import Options
from grader.person import Person
from grader.submission import UnusableInput
from tests import report_schema
from tests.batches import (
    quickly,  # noqa: F401  # a fixture
    report,
    rows,
)
from tests.packing import RIGHT, STUB

Command = Callable[..., "subprocess.CompletedProcess[str]"]
PEOPLE = """Name;ID;E-Mail;Login
Ada Lovelace;1;ada@x.org;al
Grace Hopper;2;gh@x.org;grace
Jürgen Müller;5;;
Emmy Noether;3;;
"""
FILES = {
    "Ada Lovelace_101_assignsubmission_file_/gpt2.py": RIGHT,
    "müllerjürgen_LATE_333_4444_gpt2.py": RIGHT,
    "grace-gpt2.py": STUB,
    "grace-gpt2 (1).py": RIGHT,
    "nobody.pdf": "",
}


@pytest.fixture(name="order")
def _order(tmp_path: Path) -> BatchConfig:
    for name, text in FILES.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(text, encoding="utf-8")
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    people = roster.read(tmp_path / "people.csv")
    return BatchConfig(tmp_path / "in", tmp_path / "out", Options(seed=1), roster=people)


@pytest.fixture(name="done")
def _done(order: BatchConfig, quick: None) -> Done:
    return run(order, lambda step: None)


def test_a_person_has_a_row_and_their_numbers(order: BatchConfig, done: Done) -> None:
    found = {row["submission"]: row for row in rows(order.out)}
    grace = found["grace-gpt2 (1).py"]
    assert (grace["person"], grace["id"], grace["email"]) == ("Grace Hopper", "2", "gh@x.org")
    assert (grace["attempt"], grace["counted"]) == ("2 of 2", "yes")
    assert found["grace-gpt2.py"]["counted"] == "no"
    assert found["müllerjürgen_LATE_333_4444_gpt2.py"]["late"] == "late"
    assert [str(person) for person in done.arrivals.people.missing] == ["Emmy Noether"]
    assert done.arrivals.people.unknown == ("nobody.pdf",)
    said = json.loads((order.out / "summary.json").read_text(encoding="utf-8"))
    assert said["scores"]["lowest"] == 100  # the stub is an attempt that does not count


@pytest.mark.parametrize(
    "text",
    [
        "full name,sid\nAda Lovelace,1\n",
        '"Last Name","First Name","Student ID"\r\n"Lovelace","Ada","1"\r\n',
        "\ufeffNachname\tVorname\tMatrikelnummer\nLovelace\tAda\t1\n",
        'name,id\n"Ada\n Lovelace", 1 \n',
        "sep=;\nname;id\nAda Lovelace;1\n",
        "\n\nname,id\rAda\0 Lovelace,1\r",
    ],
)
def test_a_roster_is_whatever_has_names(tmp_path: Path, text: str) -> None:
    (tmp_path / "people.csv").write_text(text, encoding="utf-8")
    (person,) = roster.read(tmp_path / "people.csv").people
    assert (person.name, person.id) == ("Ada Lovelace", "1")


def test_rosters_of_platforms(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    for text, wanted in (
        (
            "Student,ID,SIS User ID,SIS Login ID,Section,GPT-2 (77)\n    Points Possible,,,,,100\n"
            '"Lovelace, Ada",9,s1,al,001,\n"Student, Test",10,,,001,\n',
            Person("Lovelace, Ada", "s1", "", "al", "9", "001"),
        ),
        (
            "Identifier,Full name,Email address,Grade\nParticipant 101,Ada Lovelace,a@x.org,\n",
            Person("Ada Lovelace", "", "a@x.org", "", "101"),
        ),
        (
            '"identifier","github_username","github_id","name"\n"a@x.org","al","5","Ada"\n',
            Person("Ada", "", "a@x.org", "al"),
        ),
        (
            "First Name,Last Name,SID,Email,Sections\nAda,Lovelace,1,a@x.org,\n",
            Person("Ada Lovelace", "1", "a@x.org"),
        ),
    ):
        file.write_text(text, encoding="utf-8")
        assert roster.read(file).people == (wanted,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "found nothing"),
        ("a,b\n1,2\n", "found a, b"),
        ("PK\x03\x04", "Save it as CSV"),
        (f"name,id\n{'x' * 200_000},1\n", "not a CSV file that can be read"),
    ],
)
def test_what_is_no_roster_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "people.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UnusableInput, match=words):
        roster.read(tmp_path / "people.csv")


def lines(form: str, out: Path, title: str | None = None) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exports.of_people(form, [out], title))))


@pytest.mark.usefixtures("done")
def test_moodle_takes_the_worksheet(order: BatchConfig) -> None:
    """`init` of mod/assign/feedback/offline/importgradeslib.php looks for these three columns, and
    `next` takes the number behind "Participant ".
    """
    found = {line["Full name"]: line for line in lines("moodle", order.out)}
    assert found["Ada Lovelace"]["Identifier"] == "Participant 101"
    assert {"Identifier", "Grade", "Last modified (grade)"} <= found["Ada Lovelace"].keys()
    assert found["Ada Lovelace"]["Grade"] == "100"
    assert found["Emmy Noether"]["Grade"] == ""
    assert {line["Last modified (grade)"] for line in found.values()} == {"-"}
    assert len(found) == 4


@pytest.mark.usefixtures("done")
def test_canvas_takes_the_gradebook(order: BatchConfig) -> None:
    """`header?` and `process_student` of lib/gradebook_importer.rb: "Student" and "ID" come first,
    "Section" is the last column about people, and the title is the assignment's.
    """
    text = exports.of_people("canvas", [order.out], "GPT-2 (77)")
    head, possible, *people = csv.reader(io.StringIO(text))
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "GPT-2 (77)"]
    assert "Points Possible" in possible[0]
    assert possible[-1] == "100"
    found = {line[0]: line for line in people}
    assert found["Jürgen Müller"] == ["Jürgen Müller", "333", "5", "", "", "100"]
    assert found["Emmy Noether"][-1] == ""


@pytest.mark.usefixtures("done")
def test_gradescope_has_the_columns_of_its_own(order: BatchConfig) -> None:
    found = {line["SID"]: line for line in lines("gradescope-csv", order.out)}
    grace = found["2"]
    assert (grace["First Name"], grace["Last Name"]) == ("Grace", "Hopper")
    assert (grace["Email"], grace["Total Score"], grace["Max Points"]) == (
        *("gh@x.org", "100", "100.0"),
    )
    assert (grace["Status"], found["3"]["Status"]) == ("Graded", "Missing")


def test_a_decision_is_told_everywhere_and_outlives_a_grading(
    order: BatchConfig, done: Done
) -> None:
    row = saved.override(order.out, "grace hopper", 80, "the mask is right, see 3b")
    assert (row.name, row.verdict, row.score) == ("grace-gpt2 (1).py", "pass", 80)
    for again in (False, True):
        if again:  # with another seed, so that all is graded anew
            run(BatchConfig(order.folder, order.out, Options(seed=2), roster=order.roster), print)
        found = {line["submission"]: line for line in rows(order.out)}["grace-gpt2 (1).py"]
        assert found["score"] == "80"
        assert "80 points, because the mask is right" in found["by_hand"]
        assert "(the grader: pass, 100 points)" in found["by_hand"]
        page_of_one, json_of_one = (
            report_file(order.out, "grace-gpt2 (1).py", form) for form in ("html", "json")
        )
        for page in (order.out / "index.html", page_of_one):
            assert "the mask is right, see 3b" in page.read_text(encoding="utf-8")
        (line,) = (x for x in lines("moodle", order.out) if x["Full name"] == "Grace Hopper")
        assert line["Grade"] == "80"
        report_schema.check_json(report(order.out, "grace-gpt2 (1).py"))
        one = exports.load([json_of_one])
        for form in ("junit", "csv", "gradescope", "classroom"):
            assert "the mask is right, see 3b" in exports.as_form(form, list(one.values()))
    row = saved.withdraw(order.out, "grace-gpt2 (1).py")
    assert (row.score, row.by_hand) == (100, "")
    assert "by_hand" not in report(order.out, "grace-gpt2 (1).py")
    page = page_of_one.read_text(encoding="utf-8")
    assert "the mask is right" not in page


def test_what_is_set_aside_is_in_no_mean(order: BatchConfig, done: Done) -> None:
    row = saved.override(order.out, "al", None, "copied?")
    assert (row.who, row.verdict) == ("Ada Lovelace", "ungraded")
    said = json.loads((order.out / "summary.json").read_text(encoding="utf-8"))
    (ada,) = (line for line in said["results"] if line["submission"] == row.name)
    assert (ada["score"], ada["verdict"]) == (None, "ungraded")
    (line,) = (x for x in lines("canvas", order.out) if x["Student"] == "Ada Lovelace")
    assert line["gpt2"] == ""


def test_a_decision_about_another_text_says_so(order: BatchConfig, done: Done) -> None:
    saved.override(order.out, "al", 50, "agreed")
    file = next(order.folder.glob("Ada*/gpt2.py"))
    file.write_text(f"{RIGHT}\n# later\n", encoding="utf-8")
    run(order, lambda step: None)
    (ada,) = (x for x in rows(order.out) if x["person"] == "Ada Lovelace")
    assert ada["score"] == "50"
    assert "about another text" in ada["by_hand"]


def test_points_by_hand_grade_what_could_not_be_read(order: BatchConfig, done: Done) -> None:
    row = saved.override(order.out, "nobody.pdf", 60, "read on paper")
    assert (row.verdict, row.score, row.graded) == ("fail", 60, True)
    assert saved.override(order.out, "nobody.pdf", 100, "read again").verdict == "pass"


@pytest.mark.usefixtures("done")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["out", "ada"], "give one of --points"),
        (["out", "ada", "--points", "5"], "say why"),
        (["out", "al", "--points", "800", "--why", "x"], "expected a number from 0 to 100"),
        (["out", "al", "--points", "nan", "--why", "x"], "expected a number from 0 to 100"),
        (["out", "xyz", "--points", "5", "--why", "x"], "nothing by 'xyz'"),
        (["out", "lovel", "--points", "5", "--why", "x"], "Did you mean Ada Lovelace_101"),
        (["in", "ada", "--points", "5", "--why", "x"], "no results of `grader batch`"),
    ],
)
def test_a_decision_that_makes_no_sense(
    order: BatchConfig, command: Command, arguments: list[str], words: str
) -> None:
    place, *rest = arguments
    done = command("override", order.out.parent / place, *rest)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_withdrawn_is_in_no_export(order: BatchConfig, done: Done) -> None:
    (order.folder / "grace-gpt2.py").unlink()
    run(order, lambda step: None)
    assert report_file(order.out, "grace-gpt2.py", "json").exists()
    assert "grace-gpt2.py" not in exports.load([order.out])
    assert len(exports.load([order.out])) == len(FILES) - 1


def test_results_of_another_exercise_are_left_alone(order: BatchConfig, done: Done) -> None:
    with pytest.raises(BatchError, match="results of the exercise gpt2, and this is generation"):
        run(BatchConfig(order.folder, order.out, Options("generation", 1)), lambda step: None)


def test_a_letter_calls_a_file_as_its_author_does(tmp_path: Path, command: Command) -> None:
    name = "Ada Lovelace_101_assignsubmission_file_gpt2.py"
    (tmp_path / name).write_text(RIGHT.replace("class MLP(nn.Module)", "class MLP(nn.Module"))
    done = command("grade", tmp_path / name, "--for-candidate", "--html", tmp_path / "x.html")
    assert done.returncode == 1, done.stderr
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    for text in (done.stdout, page):
        assert "gpt2.py: " in text
        assert not any(word in text for word in (str(tmp_path), "assignsubmission", "isolation"))


def test_letters_hold_nothing_of_this_machine(order: BatchConfig, quick: None) -> None:
    letters = BatchConfig(order.folder, order.out, Options(seed=1), letters=True)
    run(letters, lambda step: None)
    pages = {
        path.name: path.read_text("utf-8") for path in (order.out / "for-candidates").iterdir()
    }
    assert len(pages) == len(FILES)
    for text in pages.values():
        assert str(order.folder) not in text
        assert not any(word in text for word in ("isolation", "seed", "sha256", "landlock"))
    assert (
        "<h1>gpt2.py: 100 of 100 points</h1>"
        in pages[
            letter_of(report_file(order.out, "müllerjürgen_LATE_333_4444_gpt2.py", "html")).name
        ]
    )
    saved.override(order.out, "grace-gpt2.py", 30, "it was the wrong file")
    text = letter_of(report_file(order.out, "grace-gpt2.py", "html")).read_text(encoding="utf-8")
    assert "30 of 100" in text
    assert "The points were decided by hand: it was the wrong file" in text
