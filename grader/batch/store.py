"""The folder of results: one report for each submission, written whole or not at all."""

from __future__ import annotations

import hashlib
import html as markup
import json
import os
import re
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

from grader import by_hand
from grader.batch import begun
from grader.files import write_whole
from grader.grading import SEEDS, Options
from grader.hints import state_file
from grader.kit import identity
from grader.report import for_candidate, html
from grader.results import Report
from grader.submission import UnusableInput
from grader.text import clean

_MARK = "batch.json"  # what makes a folder one of results
_REPORTS = "reports"
_LETTERS = "for-candidates"
_MAX_NAME = 200  # bytes
# Where a report's page tells what was decided by hand. No submission can write this: its words are
# text, and the signs of a comment are none of it.
_BY_HAND = re.compile(r"(<!--by hand-->).*?(<!--/by hand-->)", re.S)


class Store:
    """Reports under the names of what they are about."""

    def __init__(self, out: Path, options: Options) -> None:
        """Take up a folder of results or begin one. Raises UnusableInput or OSError."""
        self.out = out
        mark = out / _MARK
        if out.exists() and not out.is_dir():
            raise UnusableInput(f"{out}: not a folder. Give a new one for the results.")
        if out.is_dir() and not mark.exists() and any(out.iterdir()):
            raise UnusableInput(
                f"{out}: neither empty nor results of `grader batch`. Give a new folder."
            )
        before = marked(out)
        if mark.exists() and not begun.is_ours(before.get("token")):
            raise UnusableInput(
                f"{out}: results that this user did not begin on this machine, so that others may "
                "have made them up. Give a new folder. (What was begun is remembered in "
                f"{_remembered()}; set GRADER_STATE to keep that elsewhere.)"
            )
        exercise = before.get("exercise", options.exercise)
        if exercise != options.exercise:
            raise UnusableInput(
                f"{out}: results of the exercise {exercise}, and this is {options.exercise}. "
                "Give another folder."
            )
        seed = options.seed if options.seed is not None else _seed_of(before)
        if seed is None:
            seed = secrets.randbelow(SEEDS)
        self.options = replace(options, seed=seed)
        facts = {"seed": seed, "exercise": options.exercise}
        facts["token"] = before["token"] if before else begun.new(out)
        write_whole(mark, json.dumps(facts) + "\n")
        try:
            self.decided = by_hand.load(out)
        except ValueError as error:
            raise UnusableInput(str(error)) from error

    def finished(self, name: str, sha256: str) -> dict[str, Any] | None:
        """The report on this very text, by this kit with these options; None if there is none."""
        try:
            found = json.loads(report_file(self.out, name, "json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(found, dict) or not report_file(self.out, name, "html").exists():
            return None
        wanted = {
            "exercise": self.options.exercise,
            "seed": self.options.seed,
            "policy": self.options.policy,
            "timeout": self.options.timeout,
            "budget": self.options.budget,
            "rubric": self.options.points_by,
            "kit": identity(),
        }
        same = all(found.get(key) == value for key, value in wanted.items())
        same = same and tuple(found.get("twists", ())) == self.options.twists
        submission, isolation = found.get("submission"), found.get("isolation")
        if self.options.untrusted and isinstance(isolation, dict):
            same = same and isolation.get("level") == "full"
        same = same and isinstance(submission, dict) and submission.get("sha256") == sha256
        graded = by_hand.applied(found, None) if same else {}
        return found if graded.get("verdict") in ("pass", "fail", "ungraded") else None

    def keep(self, name: str, report: Report) -> dict[str, Any]:
        """Write both forms of a report, the one last that tells that it is there."""
        page = report_file(self.out, name, "html")
        html.write(report, page)
        return decide(page, {**report.as_json()}, self.decided.get(clean(name)))


def decide(page: Path, report: dict[str, Any], decided: by_hand.ByHand | None) -> dict[str, Any]:
    """Write a report with what was decided by hand, beside its page and into it.

    Raises OSError.
    """
    found = by_hand.applied(report, decided)
    words = clean(found["by_hand"]["words"]) if decided else ""
    told = f'<p class="box"><strong>{markup.escape(words)}</strong></p>' if words else ""
    text = page.read_text(encoding="utf-8")
    changed = _BY_HAND.sub(lambda place: f"{place[1]}{told}{place[2]}", text, count=1)
    if changed != text:
        write_whole(page, changed)
    if letter_of(page).exists():
        for_candidate.write(found, letter_of(page))
    write_whole(report_of(page), json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    return found


def marked(out: Path) -> dict[str, Any]:
    """What a folder of results says of itself; nothing if it is none."""
    try:
        found = json.loads((out / _MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def report_of(page: Path) -> Path:
    """The report whose page this is."""
    return page.with_name(f"{page.name.removesuffix('.html')}.json")


def letter_of(page: Path) -> Path:
    """What can be sent on about the hand-in whose page this is."""
    return page.parent.parent / _LETTERS / page.name


def page_of(out: Path, name: str) -> str:
    """Where the page of a hand-in lies, seen from the table."""
    return report_file(out, name, "html").relative_to(out).as_posix()


def report_file(out: Path, name: str, form: str) -> Path:
    """The file of the report on a hand-in."""
    plain = clean(name).encode()[:_MAX_NAME].decode("utf-8", "ignore")
    # Whatever somebody calls a hand-in, and whatever a file system takes for the same name, it is
    # not another's report.
    return out / _REPORTS / f"{plain}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:24]}.{form}"


def _remembered() -> str:
    try:
        return str(state_file(begun.FILE))
    except OSError:
        return "no place"


def _seed_of(mark: dict[str, Any]) -> int | None:
    """The seed of a batch that was begun before."""
    seed = mark.get("seed")
    return seed if isinstance(seed, int) and seed >= 0 else None
