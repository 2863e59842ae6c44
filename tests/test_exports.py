"""Reports in the forms of other programs, as those ask for them."""

from __future__ import annotations

import base64
import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from grader import exports
from grader.cli import many
from grader.report.junit import as_junit
from grader.report.platforms import as_classroom, as_gradescope
from tests.bank import ROOT
from tests.conftest import Grade

BANK = ROOT / "tests" / "submissions"
SUBMISSIONS = {
    "right": ROOT / "solutions" / "gpt2.py",
    "wrong": BANK / "wrong" / "mask_none_sdpa_not_causal.py",
    "stub": ROOT / "exercises",
    "hostile": BANK / "hostile" / "report_ansi_escapes.py",
}
Json = dict[str, Any]


@pytest.fixture(scope="module", name="reports")
def _reports(judge: Grade) -> dict[str, Json]:
    return {name: judge(path).as_json() for name, path in SUBMISSIONS.items()}


def schema() -> etree.XMLSchema:
    """The schema of the JUnit reports that build servers of the Jenkins family accept."""
    return etree.XMLSchema(etree.parse(ROOT / "tests" / "data" / "junit-10.xsd"))


def test_junit_fits_the_public_schema(reports: dict[str, Json]) -> None:
    text = as_junit(list(reports.values()))
    document = etree.fromstring(text.encode())
    schema().assertValid(document)
    suites = {suite.get("name"): suite for suite in document}
    assert len(suites) == len(SUBMISSIONS)
    right = suites[str(SUBMISSIONS["right"])]
    assert (right.get("failures"), right.get("errors"), right.get("skipped")) == ("0", "0", "0")
    wrong = suites[str(SUBMISSIONS["wrong"])]
    failed = [
        case.get("name") for case in wrong.iter("testcase") if case.find("failure") is not None
    ]
    assert "attention.causal" in failed
    assert wrong.get("failures") == str(len(failed))
    assert suites[str(SUBMISSIONS["stub"])].get("skipped") != "0"


def test_junit_takes_what_xml_cannot_hold(reports: dict[str, Json]) -> None:
    report = json.loads(json.dumps(reports["wrong"]))
    report["checks"][0]["message"] = "a\x00b\x1b[31m\ud800 ]]> <b> &"
    schema().assertValid(etree.fromstring(as_junit([report]).encode()))


def test_the_schema_refuses_something() -> None:
    assert not schema().validate(etree.fromstring("<testsuites><testsuite/></testsuites>"))


def test_gradescope_has_what_its_documentation_asks_for(reports: dict[str, Json]) -> None:
    for report in reports.values():
        found = json.loads(json.dumps(as_gradescope(report), allow_nan=False))
        assert found["score"] == report["score"]
        assert sum(test["score"] for test in found["tests"]) == report["score"]
        assert sum(test["max_score"] for test in found["tests"]) == report["max_score"]
        assert {test["status"] for test in found["tests"]} <= {"passed", "failed"}
        allowed = {"visible", "hidden", "after_due_date", "after_published"}
        assert {test["visibility"] for test in found["tests"]} <= allowed
        assert isinstance(found["execution_time"], int)
    assert "no causal mask takes effect" in as_gradescope(reports["wrong"])["output"]


def reported(found: Json) -> tuple[float, float, str]:
    """What the reporter makes of it: points in its table (the published dist/main.js of
    classroom-resources/autograding-grading-reporter counts tests that pass), those that it sends
    on (src/notify-classroom.js adds up scores), and what it prints.
    """
    tests = found["tests"]
    passed = sum(test["status"] == "pass" for test in tests)
    printed = []
    for test in tests:
        printed.append(test["name"] if test["status"] != "error" else f"Error: {test['message']}")
        printed += [f"Test code:\n{test['test_code']}"] if test["test_code"] else []
    table = passed / len(tests) * found["max_score"]
    return table, sum(test["score"] for test in tests), "\n".join(printed)


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_classroom_shows_points_and_words(reports: dict[str, Json], name: str) -> None:
    report = reports[name]
    in_table, sent, printed = reported(as_classroom(report))
    assert in_table == pytest.approx(report["score"])
    assert sent == report["score"]
    assert f"{report['score']:g} of {report['max_score']:g} points" in printed
    for check in report["checks"]:
        if check["status"] != "pass" and check["max_points"]:
            assert check["message"].split("\n")[0][:60].strip() in printed
    assert str(ROOT) not in printed


def test_classroom_has_what_its_reporter_reads(reports: dict[str, Json]) -> None:
    statuses = {}
    for name, report in reports.items():
        found = json.loads(json.dumps(as_classroom(report), allow_nan=False))
        statuses[name] = found["status"]
        assert found["version"] == 1
        assert found["max_score"] == 100
        assert sum(test["score"] for test in found["tests"]) == report["score"]
        assert {test["status"] for test in found["tests"]} <= {"pass", "error"}
    assert statuses == {"right": "pass", "wrong": "fail", "stub": "fail", "hostile": "fail"}


def test_classroom_fits_one_variable_of_the_environment(reports: dict[str, Json]) -> None:
    # Linux: MAX_ARG_STRLEN, 32 pages, for "NAME=value" and the zero at its end.
    report = reports["wrong"]
    long = [{**check, "status": "error", "message": "ä b " * 900} for check in report["checks"]]
    text = exports.as_form("classroom", [{**report, "checks": long}])
    assert len(base64.b64encode(text.encode())) + len("GPT2_RESULTS=") + 1 < 32 * 4096
    firsts = {c["id"]: c["max_points"] for c in long}
    told = {t["name"]: t["message"] for t in json.loads(text)["tests"]}
    assert all(told[id].startswith(f"{id}: error\nä b ") for id in firsts if firsts[id])


def test_a_fault_of_the_grader_is_said_to_be_one(reports: dict[str, Json]) -> None:
    report = {**reports["right"], "verdict": "internal"}
    assert "neither for nor against" in as_gradescope(report)["output"]
    assert as_classroom(report)["status"] == "error"


def test_csv_has_a_line_for_each(reports: dict[str, Json]) -> None:
    text = exports.as_form("csv", list(reports.values()))
    found = list(csv.DictReader(io.StringIO(text)))
    assert [row["verdict"] for row in found] == ["pass", "fail", "fail", "fail"]
    assert found[1]["causes"] == "mask-none"


@pytest.fixture(name="saved")
def _saved(tmp_path: Path, reports: dict[str, Json]) -> Path:
    for name, report in reports.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(report), encoding="utf-8")
    return tmp_path


Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_saved_reports_are_exported_without_grading(saved: Path, command: Command) -> None:
    found = command("export", saved, "--format", "junit", "--out", saved / "all.xml")
    assert found.returncode == 0, found.stderr
    document = etree.parse(saved / "all.xml")
    schema().assertValid(document)
    assert len(document.getroot()) == len(SUBMISSIONS)
    one = command("export", saved / "wrong.json", "--format", "gradescope")
    assert json.loads(one.stdout)["tests"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("nonsense", "not JSON"),
        ("[]", "expected schema_version 1, found None"),
        ('{"schema_version": 2}', "expected schema_version 1, found 2"),
        ('{"schema_version": 1}', "missing or misplaced"),
        ('{"schema_version": 1, "checks": 3}', "missing or misplaced"),
    ],
)
def test_what_is_no_report_is_refused(
    tmp_path: Path, command: Command, text: str | None, words: str
) -> None:
    file = tmp_path / "a.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    found = command("export", file, "--format", "junit")
    assert found.returncode == 2
    assert words in found.stderr
    assert "Traceback" not in found.stderr


def test_the_command_offers_every_form() -> None:
    (option,) = (item for item in many.export.params if item.name == "form")
    assert set(option.type.choices) == {*exports.MANY, *exports.ONE, *exports.PEOPLE}


def test_forms_for_one_are_a_file_each(saved: Path, command: Command) -> None:
    found = command("export", saved, "--format", "classroom")
    assert found.returncode == 2
    assert "holds one report, and there are 4" in found.stderr
    assert command("export", saved, "--format", "gradescope", "--out", saved / "g").returncode == 0
    scores = {p.stem: json.loads(p.read_text("utf-8"))["score"] for p in (saved / "g").iterdir()}
    assert set(scores) == set(SUBMISSIONS)
    assert scores["right"] == 100


def test_grade_writes_them_too(tmp_path: Path, command: Command) -> None:
    files = {name: tmp_path / name for name in ("junit", "gradescope", "classroom")}
    options = [item for name, file in files.items() for item in (f"--{name}", file)]
    assert command("grade", "exercises", *options).returncode == 1
    schema().assertValid(etree.parse(files["junit"]))
    assert json.loads(files["gradescope"].read_text("utf-8"))["score"] == 0
    assert json.loads(files["classroom"].read_text("utf-8"))["status"] == "fail"
