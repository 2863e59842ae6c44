"""One report in the words of the platforms that teachers use."""

from __future__ import annotations

import json
from typing import Any

from grader.text import clean, shorten

Json = dict[str, Any]
_WORDS = 2000  # characters of a message
# Classroom's reporter takes the file in base64 from one environment variable, of which Linux allows
# 128 KiB with its name: so many bytes of the file, in base64 a third more.
_CLASSROOM_BYTES = 96_000
_FEWER_WORDS = (1000, 500, 250, 120, 60)


def looked_at(report: Json) -> list[Json]:
    """The checks to show: of what could not be read, the one that says so."""
    checks: list[Json] = report["checks"]
    return [c for c in checks if c["message"]] if report.get("unreadable") else checks


class NotCounted(Exception):
    """The grader itself failed: there is nothing to hand on that would be fair."""


def as_gradescope(report: Json) -> Json:
    """`results.json`: https://gradescope-autograders.readthedocs.io/en/latest/specs/.

    Raises NotCounted where the grader failed, so that nobody gets nought for that.
    """
    if report["verdict"] == "internal":
        raise NotCounted(
            "the grader itself failed, which counts neither for nor against the submission; "
            "grade again"
        )
    return {
        "score": report["score"],
        "execution_time": round(report["seconds"]),
        "output": _summary(report),
        "output_format": "text",
        "stdout_visibility": "hidden",
        "tests": [
            {
                "name": f"{check['id']}: {check['requirement']}",
                "number": str(number),
                "score": check["points"],
                "max_score": check["max_points"],
                "status": "passed" if check["status"] == "pass" else "failed",
                "output": _told(check),
                "output_format": "text",
                "tags": [check["part"]],
                "visibility": "visible",
            }
            for number, check in enumerate(looked_at(report), 1)
        ],
        "extra_data": {"seed": report["seed"], "kit": report["kit"], "verdict": report["verdict"]},
    }


def as_classroom(report: Json) -> Json:
    """What GitHub Classroom's autograding reporter reads, once it is in base64.

    See https://github.com/classroom-resources/autograding-grading-reporter. Long messages are cut
    as much as it takes for it to fit there.
    """
    found = _classroom(report, _WORDS)
    for words in _FEWER_WORDS:
        if len(json.dumps(found, indent=2, ensure_ascii=False).encode()) <= _CLASSROOM_BYTES:
            break
        found = _classroom(report, words)
    return found


def _classroom(report: Json, words: int) -> Json:
    verdicts = {"pass": "pass", "fail": "fail"}
    return {
        "version": 1,
        "status": verdicts.get(report["verdict"], "error"),
        "max_score": report["max_score"],
        "tests": [
            {
                "name": check["id"],
                "status": _classroom_status(check["status"]),
                "score": check["points"],
                "message": "" if check["status"] == "pass" else shorten(_told(check), words),
                "test_code": check["requirement"],
                "filename": "",
                "line_no": 0,
                "execution_time": f"{check['seconds']:.3f}s",
            }
            for check in looked_at(report)
        ],
    }


def _classroom_status(status: str) -> str:
    if status in ("pass", "fail"):
        return status
    return "fail" if status in ("todo", "not-run") else "error"


def _summary(report: Json) -> str:
    lines = [f"{report['verdict'].upper()}: {report['score']:g} of {report['max_score']:g} points"]
    lines += [clean(report["unreadable"])] if "unreadable" in report else []
    lines += [f"{d['part']}: {clean(d['explanation'])}" for d in report["diagnoses"]]
    lines += [f"Note: {clean(a['message'])}" for a in report["advisories"]]
    return "\n\n".join(lines)


def _told(check: Json) -> str:
    texts = ["" if check["status"] == "pass" else check["status"], check["message"]]
    if found := check["counterexample"]:
        texts += [found["code"], f"expected: {found['expected']}", f"found: {found['found']}"]
    return clean("\n".join(text for text in texts if text))[:_WORDS]
