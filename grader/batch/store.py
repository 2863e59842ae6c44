"""The folder of results: one report for each submission, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

from grader.files import write_whole
from grader.grading import SEEDS, Options
from grader.kit import identity
from grader.report import html, json_report
from grader.results import Report
from grader.submission import UnusableInput
from grader.text import clean

_MARK = "batch.json"  # what makes a folder one of results
_REPORTS = "reports"
_MAX_NAME = 200  # bytes


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
        seed = options.seed if options.seed is not None else _seed_of(mark)
        if seed is None:
            seed = secrets.randbelow(SEEDS)
        self.options = replace(options, seed=seed)
        write_whole(mark, json.dumps({"seed": seed}) + "\n")

    def finished(self, name: str, sha256: str) -> dict[str, Any] | None:
        """The report on this very text, by this kit with these options; None if there is none."""
        try:
            found = json.loads(self._path(name, "json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(found, dict) or not self._path(name, "html").exists():
            return None
        wanted = {
            "exercise": self.options.exercise,
            "seed": self.options.seed,
            "policy": self.options.policy,
            "timeout": self.options.timeout,
            "rubric": self.options.rubric.digest,
            "kit": identity(),
        }
        same = all(found.get(key) == value for key, value in wanted.items())
        submission, isolation = found.get("submission"), found.get("isolation")
        if self.options.untrusted and isinstance(isolation, dict):
            same = same and isolation.get("level") == "full"
        same = same and isinstance(submission, dict) and submission.get("sha256") == sha256
        return found if same and found.get("verdict") in ("pass", "fail", "ungraded") else None

    def keep(self, name: str, report: Report) -> dict[str, Any]:
        """Write both forms of a report, the one last that tells that it is there."""
        html.write(report, self._path(name, "html"))
        json_report.write(report, self._path(name, "json"))
        return {**report.as_json()}

    def page_of(self, name: str) -> str:
        """Where its page lies, seen from the table."""
        return self._path(name, "html").relative_to(self.out).as_posix()

    def _path(self, name: str, form: str) -> Path:
        plain = clean(name).encode()[:_MAX_NAME].decode("utf-8", "ignore")
        if plain != name:  # too long, or not fit to be shown
            name = f"{plain}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
        return self.out / _REPORTS / f"{name}.{form}"


def _seed_of(mark: Path) -> int | None:
    """The seed of a batch that was begun before."""
    try:
        seed = json.loads(mark.read_text(encoding="utf-8"))["seed"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return seed if isinstance(seed, int) and seed >= 0 else None
