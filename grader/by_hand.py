"""Points that a person gave, or a hand-in that a person set aside: on the record, beside what the
grader said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grader.files import write_whole

FILE = "by_hand.json"  # in a folder of results

Json = dict[str, Any]


@dataclass(frozen=True)
class ByHand:
    """What was decided. points: None if it was set aside; sha256: of the text it was about."""

    why: str
    when: str
    by: str = ""
    points: float | None = None
    sha256: str = ""

    def words(self, report: Json) -> str:
        """What is told, beside what the grader said of it."""
        graded = report.get("by_hand", {}).get("graded") or report
        said = f"{graded['verdict']}, {graded['score']:g} points"
        what = "set aside" if self.points is None else f"{self.points:g} points"
        other = self.sha256 and self.sha256 != report["submission"]["sha256"]
        stale = " This was decided about another text." if other else ""
        by = f" by {self.by}" if self.by else ""
        return f"By hand{by}: {what}, because {self.why} (the grader: {said}).{stale}"


def applied(report: Json, decided: ByHand | None) -> Json:
    """The report as a person decided; as it was graded for None."""
    told = report.get("by_hand")
    graded = {**report, **told["graded"]} if told else dict(report)
    graded.pop("by_hand", None)
    if decided is None:
        return graded
    kept = {key: graded[key] for key in ("verdict", "passed", "score")}
    verdict, score = "ungraded", graded["score"]
    if decided.points is not None:
        score = decided.points
        enough = score >= graded.get("pass_mark", graded["max_score"])
        verdict = "pass" if enough or graded["verdict"] == "pass" else "fail"
    found = {**graded, "verdict": verdict, "passed": verdict == "pass", "score": score}
    words = decided.words(graded)
    return {**found, "by_hand": {**asdict(decided), "words": words, "graded": kept}}


def load(out: Path) -> dict[str, ByHand]:
    """What was decided in a folder of results, by hand-in. Raises OSError or ValueError."""
    try:
        found = json.loads((out / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    try:
        return {name: ByHand(**told) for name, told in found.items()}
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{out / FILE}: not what the grader wrote ({error})") from error


def save(out: Path, decided: Mapping[str, ByHand]) -> None:
    """Keep it. Raises OSError."""
    told = {name: asdict(one) for name, one in decided.items()}
    write_whole(out / FILE, json.dumps(told, indent=2, ensure_ascii=False) + "\n")
