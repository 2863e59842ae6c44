"""The debugging interview: plants, draws, sheets, and what is told of what comes back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from grader.bugs import CAUSES
from grader.check import Check
from grader.exercises.debug import practice
from grader.exercises.debug.draw import DrawError, Puzzle, Wanted, draw, seed_of_day
from grader.exercises.debug.fixes import lines_changed, outcome, rewritten
from grader.exercises.debug.plants import LEVELS, plants, repaired, restored, standing
from grader.exercises.debug.sheet import Sheet, SheetError, dumps, loads, made_of, read, write
from grader.exercises.debug.start import Order, start
from grader.results import CheckResult, Diagnosis, Report
from grader.sandbox.client import Server
from tests.conftest import Grade
from tests.plants import Pair, all_texts, faults_of_draw, first_name, pairs, report_on

PAIRS = pairs()
SAMPLE = [PAIRS[n] for n in range(0, len(PAIRS), len(PAIRS) // 4)]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(name="sheet")
def _sheet() -> Sheet:
    return made_of(draw(Wanted(only=("no-scale", "mask-none", "relu")), 1), "For a test.")


@pytest.fixture(name="told")
def _told() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADER_STATE", str(tmp_path / "state"))


def report(*causes: str, failing: str = "attention.scale") -> Report:
    """A report that names these bugs; that passes if there are none."""
    check = Check(failing, "CausalSelfAttention", 1, "", ())
    result = CheckResult(check, "fail" if causes else "pass")
    found = tuple(Diagnosis("CausalSelfAttention", cause, "", "exact") for cause in causes if cause)
    facts = ("gpt2", "", "", "", 0, "any", "full", ())
    return Report(*facts, (result,), diagnoses=found)  # type: ignore[arg-type]  # by position


def test_there_are_enough_of_each() -> None:
    assert len(plants()) >= 60
    assert sum(text.file == "gpt2.py" for text in all_texts()) >= 8
    assert {plant.level for plant in plants().values()} == set(LEVELS)


@pytest.mark.parametrize("slug", plants())
def test_a_plant_is_a_bug_of_the_catalogue_and_told_in_full(slug: str) -> None:
    plant = plants()[slug]
    assert slug in CAUSES
    assert any(pair.slug == slug for pair in PAIRS)
    assert len(plant.questions) == 2
    assert len(plant.hints) >= 3
    assert slug not in plant.symptom


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_an_edit_can_be_made_and_taken_back(pair: Pair) -> None:
    hunks = pair.text.hunks(pair.slug)
    assert standing(pair.planted, hunks)
    assert not restored(pair.planted, hunks)
    assert restored(pair.text.clean, hunks)
    assert repaired(pair.planted, hunks) == pair.text.clean


def test_no_plant_shows_to_a_formatter_or_a_linter(tmp_path: Path) -> None:
    texts = {f"{t.file[:-3]}-{t.style}-clean": t.clean for t in all_texts()}
    texts |= {f"{p.text.file[:-3]}-{p.text.style}-{p.slug}": p.planted for p in PAIRS}
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "format", "--isolated", "--check", "-q", tmp_path], check=True)
    rules = "--select=E,F,W,B,C4,UP,SIM"
    command = [*ruff, "check", "--isolated", rules, "--output-format=concise", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    found: dict[str, set[str]] = {name: set() for name in texts}
    for line in done.stdout.splitlines():
        if line.startswith(str(tmp_path)):
            place, rule = line.split(": ")[0], line.split()[1]
            found[Path(place.split(".py:")[0]).name].add(rule)
    for name, rules_found in found.items():
        clean = "-".join(name.split("-")[:2]) + "-clean"
        assert rules_found <= found[clean], name


@pytest.mark.parametrize("seed", range(200))
def test_a_draw_holds_each_of_its_plants(seed: int) -> None:
    puzzle = draw(Wanted(), seed)
    texts = puzzle.planted
    assert len({one.plant.topic for one in puzzle.sets}) == len(puzzle.sets) == 4
    assert len({one.plant.symptom for one in puzzle.sets}) == 4
    for one in puzzle.sets:
        file = one.plant.file
        fixed = repaired(texts[file], one.hunks)
        assert restored(fixed, one.hunks)
        for other in (o for o in puzzle.sets if o is not one and o.plant.file == file):
            assert standing(fixed, other.hunks), (one.plant.slug, other.plant.slug)


def slugs(puzzle: Puzzle) -> list[str]:
    return [one.plant.slug for one in puzzle.sets]


def test_a_seed_and_a_day_say_it_all() -> None:
    assert slugs(draw(Wanted(), 3)) == slugs(draw(Wanted(), 3))
    assert seed_of_day("2026-12-01") != seed_of_day("2026-12-02")
    assert len({tuple(slugs(draw(Wanted(), seed))) for seed in range(20)}) > 15


@pytest.mark.parametrize("level", LEVELS)
def test_all_are_of_the_level_that_is_asked_for(level: str) -> None:
    puzzle = draw(Wanted(4, level), 7)
    assert {one.plant.level for one in puzzle.sets} == {level}


@pytest.mark.parametrize(
    "over", ["gpt2", "training", "generation", "kv_cache", "tokenizer", "classification"]
)
def test_bugs_are_planted_over_what_is_asked_for(over: str) -> None:
    puzzle = draw(Wanted(3, None, (over,)), 2)
    assert {one.plant.exercise for one in puzzle.sets} == {over}
    assert {"gpt2.py", "train.py"} <= set(puzzle.texts)


def test_topics_that_were_missed_come_up_first() -> None:
    missed = frozenset({"top-p"})
    wanted = Wanted(1, None, ("generation",), missed=missed)
    assert {draw(wanted, seed).sets[0].plant.topic for seed in range(10)} == missed


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Wanted(only=("mask-non",)), "mask-non is no bug of the catalogue. Did you mean mask-none"),
        (Wanted(only=("head-missing",)), "head-missing cannot be planted. Did you mean"),
        (Wanted(over=("traning",)), "over traning. Did you mean training"),
        (Wanted(over=("zz",)), "over zz. Expected classification, generation, "),
        (Wanted(12, "easy", ("classification",)), "expected 12 bugs of level easy"),
        (Wanted(only=("no-scale", "scale-embed-dim")), "no text can hold all"),
    ],
)
def test_what_cannot_be_drawn_is_told(wanted: Wanted, says: str) -> None:
    with pytest.raises(DrawError, match=says):
        draw(wanted, 0)


def test_a_sheet_can_be_read_again(sheet: Sheet, tmp_path: Path) -> None:
    write(sheet, tmp_path / "sheet.md")
    assert read(tmp_path / "sheet.md") == sheet
    assert loads(dumps(sheet)) == sheet
    text = (tmp_path / "sheet.md").read_text()
    for one in sheet.plants:
        assert f"{one.plant.slug}: {one.plant.file}, line {one.line}" in text
        assert one.plant.questions[0][0] in text
        line = sheet.planted[one.plant.file].splitlines()[one.line - 1]
        assert line in [new for hunk in one.hunks for new in hunk.new]


@pytest.mark.parametrize("text", ["", "# What is planted\n```json\n{}\n```\n", "```json\n[\n```\n"])
def test_what_is_no_sheet_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "sheet.md").write_text(text)
    with pytest.raises(SheetError, match="expected a sheet"):
        read(tmp_path / "sheet.md")


@pytest.mark.parametrize("number", range(3))
def test_only_what_is_fixed_is_told_as_fixed(sheet: Sheet, number: int) -> None:
    one = sheet.plants[number]
    texts = {**sheet.planted, "gpt2.py": repaired(sheet.planted["gpt2.py"], one.hunks)}
    found = outcome("gpt2", sheet, texts, report("mask-none"), lambda text: report())
    assert [f.planted for f in found.plants if f.fate == "fixed"] == [one]
    assert found.new == ()


def test_what_is_wrong_in_another_way_is_told(sheet: Sheet) -> None:
    one = next(p for p in sheet.plants if p.plant.slug == "mask-none")
    was = sheet.planted["gpt2.py"].splitlines()
    was[one.line - 1] = "    # another try"
    texts = {**sheet.planted, "gpt2.py": "\n".join(was) + "\n"}
    given = outcome(
        "gpt2",
        sheet,
        texts,
        report("mask-off-by-one"),
        lambda text: report("mask-off-by-one"),
    )
    fates = {f.planted.plant.slug: (f.fate, f.into) for f in given.plants}
    assert fates["mask-none"] == ("changed", ("mask-off-by-one",))
    assert fates["relu"] == ("not fixed", ())
    same = outcome("gpt2", sheet, texts, report("mask-none"), lambda text: report("mask-none"))
    assert {f.planted.plant.slug: f.fate for f in same.plants}["mask-none"] == "not fixed"
    right = outcome("gpt2", sheet, texts, report("relu"), lambda text: report())
    assert {f.planted.plant.slug: f.fate for f in right.plants}["mask-none"] == "fixed"


def test_new_bugs_are_told(sheet: Sheet) -> None:
    texts = {**sheet.planted, "gpt2.py": sheet.clean["gpt2.py"] + "# more\n"}
    found = outcome("gpt2", sheet, texts, report("post-norm"), lambda text: report("post-norm"))
    assert {f.fate for f in found.plants} == {"fixed"}
    assert found.new == ("post-norm",)
    anonymized = outcome("gpt2", sheet, texts, report(""), lambda text: report(""))
    assert anonymized.new == ("attention.scale fails",)


def test_what_is_changed_elsewhere_is_not_held_against_a_fix(sheet: Sheet) -> None:
    one = next(p for p in sheet.plants if p.plant.slug == "mask-none")
    fixed = repaired(sheet.planted["gpt2.py"], one.hunks).splitlines()
    fixed[one.hunks[0].start] += "  # fixed"
    texts = {**sheet.planted, "gpt2.py": "\n".join(["# new", *fixed]) + "\n"}

    def graded(text: str) -> Report:
        return report("post-norm") if "# new" in text else report()

    found = outcome("gpt2", sheet, texts, report("relu"), graded)
    fates = {f.planted.plant.slug: f.fate for f in found.plants}
    assert fates == {"mask-none": "fixed", "no-scale": "not fixed", "relu": "not fixed"}
    assert found.new == ("post-norm",)


def test_a_bug_that_is_made_up_for_elsewhere_is_fixed(sheet: Sheet) -> None:
    texts = {**sheet.planted, "gpt2.py": "# for relu\n" + sheet.planted["gpt2.py"]}
    one = next(p for p in sheet.plants if p.plant.slug == "relu")

    def graded(text: str) -> Report:
        right = ("# for relu" in text) == standing(text, one.hunks)
        return report() if right else report("silu")

    found = outcome("gpt2", sheet, texts, report("no-scale"), graded)
    fates = {f.planted.plant.slug: f.fate for f in found.plants}
    assert fates == {"mask-none": "not fixed", "no-scale": "not fixed", "relu": "fixed"}
    assert found.new == ()


def test_lines_are_counted_and_what_is_rewritten_is_told() -> None:
    before = "def f(x):\n    a = 1\n    b = 2\n    c = 3\n    return a + b + c\n"
    assert lines_changed(before, before.replace("2", "4")) == 1
    assert rewritten(before, before.replace("2", "4")) == ()
    after = "def f(x):\n    return sum(range(x))\n"
    assert lines_changed(before, after) == 4
    assert rewritten(before, after) == ("f",)


def test_the_folder_says_nothing_of_what_is_planted(tmp_path: Path, told: list[str]) -> None:
    folder, out = tmp_path / "work", tmp_path / "sheet.md"
    start(folder, 40, Order(Wanted(6), seed=987654, sheet=out), told.append)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.name for path in files if path.parent == folder]
    assert names == ["BRIEF.md", "gpt2.py", "session.jsonl", "train.py"]
    everything = "\n".join(path.read_text() for path in files)  # with those for editors
    assert "987654" not in everything
    for one in read(out).plants:
        assert one.plant.slug not in everything
        assert one.plant.symptom in " ".join(everything.split())
    assert not (tmp_path / "state" / "debug.json").exists()
    assert told == []


def test_a_sheet_in_the_folder_is_refused(tmp_path: Path, told: list[str]) -> None:
    with pytest.raises(SheetError, match="outside"):
        start(tmp_path / "w", 40, Order(Wanted(), sheet=tmp_path / "w" / "sheet.md"), told.append)


def test_practice_keeps_what_was_found(tmp_path: Path, told: list[str]) -> None:
    begun = start(tmp_path / "w", 40, Order(Wanted(2, only=("relu", "mask-none"))), told.append)
    known = practice.sheet_of(begun.folder, None, told.append)
    number, one = practice.next_bug(known, _files(known.planted))
    assert (number, one) == (1, known.plants[0])
    fixed = {**known.planted, "gpt2.py": repaired(known.planted["gpt2.py"], one.hunks)}
    assert practice.next_bug(known, _files(fixed))[0] == 2
    timed = replace(report("relu"), files=_files(fixed), clock=begun.clock())
    practice.note(begun.folder, timed, told.append)
    assert [row[:3] for row in practice.summary(told.append)] == [(one.plant.topic, 1, 0)]
    assert practice.missed_topics(told.append) == frozenset()
    assert told == []


def _files(texts: dict[str, str]) -> dict[str, bytes]:
    return {name: text.encode() for name, text in texts.items()}


def test_what_was_not_found_in_time_is_missed(tmp_path: Path, told: list[str]) -> None:
    order = Order(Wanted(1, only=("relu",)), seed=1)
    start(tmp_path / "w", 1e-6, order, told.append)
    assert practice.missed_topics(told.append) == {"activation"}


def test_hints_go_step_by_step_and_need_the_sheet(tmp_path: Path, command: Run) -> None:
    folder, out = tmp_path / "work", tmp_path / "sheet.md"
    arguments = ["--exercise", "debug", "--only", "relu", "--sheet", out]
    assert command("start", folder, *arguments).returncode == 0
    refused = command("hint", "bug", folder)
    assert refused.returncode == 2
    assert "--sheet" in refused.stderr
    first = command("hint", "bug", folder, "--sheet", out)
    assert plants()["relu"].symptom in " ".join(first.stdout.split())
    second = command("hint", "bug", folder, "--sheet", out)
    assert second.stdout != first.stdout


def test_options_that_do_not_fit_are_told(tmp_path: Path, command: Run) -> None:
    done = command("start", tmp_path / "w", "--level", "hard")
    assert done.returncode == 2
    assert "--exercise debug" in done.stderr
    done = command("start", tmp_path / "w", "--exercise", "debug", "--daily", "--bugs", "2")
    assert done.returncode == 2
    done = command("start", tmp_path / "w", "--exercise", "debug", "--only", ",")
    assert done.returncode == 2
    assert "expected one name" in done.stderr
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("pair", SAMPLE, ids=str)
def test_a_plant_alone_is_named(pair: Pair, server: Server) -> None:
    assert first_name(pair, server) == pair.slug


@pytest.mark.whole_bank
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_each_plant_alone_is_named(pair: Pair, server: Server) -> None:
    assert first_name(pair, server) == pair.slug


@pytest.mark.whole_bank
@pytest.mark.parametrize("seed", range(10))
def test_a_draw_is_told_fix_by_fix(seed: int, server: Server) -> None:
    assert faults_of_draw(seed, Wanted(), server) == []


@pytest.mark.whole_bank
@pytest.mark.parametrize("text", all_texts(), ids=lambda text: f"{text.file} {text.style}")
def test_the_clean_texts_pass(text, server: Server) -> None:  # type: ignore[no-untyped-def]
    exercises = {pair.exercise for pair in PAIRS if pair.text == text}
    for exercise in exercises:
        assert report_on(exercise, {text.file: text.clean}, server).verdict == "pass"


def test_a_folder_is_graded_by_its_sheet(sheet: Sheet, tmp_path: Path, judge: Grade) -> None:
    one, *_ = sheet.plants
    for name, text in sheet.planted.items():
        fixed = repaired(text, one.hunks) if name == one.plant.file else text
        (tmp_path / name).write_text(fixed)
    found = judge(tmp_path, exercise="debug", sheet=sheet)
    assert [result.status for result in found.results] == ["pass", "fail", "fail", "pass"]
    assert found.score == 10
    assert found.advisories["lines"] == "2 lines changed; the fixes take 4."
    seen = judge(tmp_path, exercise="debug")
    answers = {result.id: result.status for result in seen.results}
    assert answers["gpt2.causalselfattention"] == "fail"
    assert answers["training.training"] == "pass"
    words = [result.message for result in seen.results] + list(seen.advisories.values())
    for planted in sheet.plants:
        assert not any(planted.plant.slug in text for text in words)
