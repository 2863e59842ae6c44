"""One report in the words of the platforms that teachers use."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

from grader.report.places import without_place
from grader.text import clean, shorten

Json = dict[str, Any]
_WORDS = 2000  # characters of a message
# Classroom's reporter takes the file in base64 from one environment variable, of which Linux allows
# 128 KiB with its name: so many bytes of the file, in base64 a third more.
_CLASSROOM_BYTES = 96_000
_FEWER_WORDS = (1000, 500, 250, 120, 60)
_MOST_SHARES = 200  # equal parts of the points, each a line for Classroom
_NOT_JUDGED = {
    "ungraded": "This could not be graded. A person will look at it.",
    "internal": "The grader itself failed, which counts neither for nor against you. It has to be "
    "graded again.",
}
_UNFINISHED = "The grader did not finish. Tell your instructor: this is no verdict on your work."


def looked_at(report: Json) -> list[Json]:
    """The checks to show: of what could not be read, the one that says so."""
    checks: list[Json] = report["checks"]
    return [c for c in checks if c["message"]] if report.get("unreadable") else checks


def as_gradescope(report: Json) -> Json:
    """`results.json`: https://gradescope-autograders.readthedocs.io/en/latest/specs/."""
    shown = [] if report["verdict"] == "ungraded" else looked_at(report)
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
                "output": _told(check, report),
                "output_format": "text",
                "tags": [check["part"]],
                "visibility": "visible",
            }
            for number, check in enumerate(shown, 1)
        ],
        "extra_data": {"seed": report["seed"], "kit": report["kit"], "verdict": report["verdict"]},
    }


def unfinished(form: str, why: str = "") -> Json:
    """What stands in the file before there is a report, and where none comes of it."""
    words = f"{_UNFINISHED}\n\n{clean(why)}" if why else _UNFINISHED
    if form == "gradescope":
        return {"score": 0, "output": words, "output_format": "text", "tests": []}
    return _for_classroom("error", 0, [_line("grader", "error", 0, words)])


def as_classroom(report: Json) -> Json:
    """What GitHub Classroom's autograding reporter reads, once it is in base64.

    See https://github.com/classroom-resources/autograding-grading-reporter. One version of it adds
    up `score`, another one counts the tests that pass: so there is a test for each equal share of
    the points, such as for each point. It shows `message` of errors only, and `test_code` of
    all. Long messages are cut as much as it takes for it to fit into a variable.
    """
    found = _classroom(report, _WORDS)
    for words in _FEWER_WORDS:
        if len(json.dumps(found, indent=2, ensure_ascii=False).encode()) <= _CLASSROOM_BYTES:
            break
        found = _classroom(report, words)
    return found


def _classroom(report: Json, words: int) -> Json:
    status = report["verdict"] if report["verdict"] in ("pass", "fail") else "error"
    summary = shorten(_summary(report), words)
    if report["verdict"] == "ungraded":
        return _for_classroom(status, report["max_score"], [_line("gpt2", "error", 0, summary)])
    tests = [
        line
        for check, shares in _shared(_counted(report))
        for line in _lines(check, shares, report, words)
    ]
    if tests:
        tests[0]["test_code"] = summary
    return _for_classroom(status, report["max_score"], tests)


def _for_classroom(status: str, max_score: float, tests: list[Json]) -> Json:
    return {"version": 1, "status": status, "max_score": max_score, "tests": tests}


def _line(name: str, status: str, score: float, message: str, seconds: float = 0.0) -> Json:
    return {
        "name": name,
        "status": status,
        "score": score,
        "message": message,
        "test_code": "",
        "filename": "",
        "line_no": 0,
        "execution_time": f"{seconds:.3f}s",
    }


def _counted(report: Json) -> list[Json]:
    """The checks that the points are of; of points given by hand, those that are and are not."""
    if "by_hand" not in report:
        return looked_at(report)
    given, most = report["score"], report["max_score"]
    said = {"message": "", "counterexample": None, "seconds": 0.0}
    return [
        {"id": "by hand", "status": "pass", "points": given, "max_points": given, **said},
        {
            "id": "not given",
            "status": "fail",
            "points": 0,
            "max_points": max(most - given, 0),
            **said,
        },
    ]


def _shared(checks: list[Json]) -> list[tuple[Json, int]]:
    """Each check with how many equal shares of all points it has; at least one in all."""
    points = [Fraction(check["max_points"]).limit_denominator(100) for check in checks]
    size = Fraction(0)
    for number in points:
        size = _common(size, number)
    whole = sum(points, Fraction(0))
    if size and whole / size > _MOST_SHARES:
        size = whole / _MOST_SHARES
    shares = [round(number / size) if size else 1 for number in points]
    return list(zip(checks, shares, strict=True))


def _common(a: Fraction, b: Fraction) -> Fraction:
    """The largest number of which both are multiples."""
    denominator = math.lcm(a.denominator, b.denominator)
    return Fraction(math.gcd(int(a * denominator), int(b * denominator)), denominator)


def _lines(check: Json, shares: int, report: Json, words: int) -> list[Json]:
    """A test for each share; the first one has the points, and what is said."""
    passed = check["status"] == "pass"
    told = "" if passed else shorten(f"{check['id']}: {_told(check, report)}", words)
    first = _line(
        check["id"], "pass" if passed else "error", check["points"], told, check["seconds"]
    )
    others = [
        _line(
            f"{check['id']} ({number} of {shares})",
            first["status"],
            0,
            "" if passed else f"{check['id']}, as above ({number} of {shares})",
        )
        for number in range(2, shares + 1)
    ]
    return [first, *others][:shares]


def _summary(report: Json) -> str:
    score = f"{report['score']:g} of {report['max_score']:g} points"
    if said := _NOT_JUDGED.get(report["verdict"]):
        lines = [said] if report["verdict"] == "ungraded" else [said, f"So far: {score}."]
    else:
        lines = [f"{report['verdict'].upper()}: {score}"]
    lines += [clean(report["by_hand"]["words"])] if "by_hand" in report else []
    lines += [clean(without_place(report["unreadable"], report))] if "unreadable" in report else []
    lines += [f"{c['id']}: {shorten(clean(c['message']), _WORDS)}" for c in _silent(report)]
    lines += [f"{d['part']}: {clean(d['explanation'])}" for d in report["diagnoses"]]
    lines += [f"Note: {clean(a['message'])}" for a in report["advisories"]]
    return without_place("\n\n".join(lines), report)


def _silent(report: Json) -> list[Json]:
    """Checks without points that fail."""
    waiting = ("pass", "todo", "not-run")
    return [c for c in report["checks"] if not c["max_points"] and c["status"] not in waiting]


def _told(check: Json, report: Json) -> str:
    texts = ["" if check["status"] == "pass" else check["status"], check["message"]]
    if found := check["counterexample"]:
        texts += [found["code"], f"expected: {found['expected']}", f"found: {found['found']}"]
    words = clean("\n".join(text for text in texts if text))
    return without_place(words, report)[:_WORDS]
