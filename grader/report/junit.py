"""Reports as JUnit XML, the common form of build servers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from grader.report.platforms import looked_at
from grader.text import clean

_ERRORS = ("error", "timeout", "memory", "protocol", "violation", "internal")
# XML 1.0 has no place for these, however they are written.
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Json = dict[str, Any]


def as_junit(reports: Sequence[Json]) -> str:
    """A suite for each submission, a case for each check: failed, in error, or skipped."""
    suites = ElementTree.Element("testsuites")
    for report in reports:
        _suite(suites, report)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _suite(suites: ElementTree.Element, report: Json) -> None:
    checks = looked_at(report)
    kinds = [_kind(check["status"]) for check in checks]
    suite = ElementTree.SubElement(
        suites,
        "testsuite",
        name=_text(report["submission"]["path"]),
        tests=str(len(checks)),
        failures=str(kinds.count("failure")),
        errors=str(kinds.count("error")),
        skipped=str(kinds.count("skipped")),
        time=f"{report['seconds']:.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    facts = {
        "verdict": report["verdict"],
        "score": f"{report['score']:g}",
        "max_score": f"{report['max_score']:g}",
        "seed": str(report["seed"]),
        "sha256": report["submission"]["sha256"],
        "isolation": report["isolation"]["level"],
        **{f"cause.{d['part']}": d["cause"] for d in report["diagnoses"]},
        **({"by_hand": report["by_hand"]["words"]} if "by_hand" in report else {}),
    }
    for name, value in facts.items():
        ElementTree.SubElement(properties, "property", name=_text(name), value=_text(value))
    for check, kind in zip(checks, kinds, strict=True):
        case = ElementTree.SubElement(
            suite,
            "testcase",
            name=_text(check["id"]),
            classname=_text(f"{report['exercise']}.{check['part']}"),
            time=f"{check['seconds']:.3f}",
        )
        if kind:
            told = ElementTree.SubElement(
                case, kind, type=check["status"], message=_text(check["message"])
            )
            told.text = _text(_details(check))


def _kind(status: str) -> str:
    if status == "pass":
        return ""
    if status in ("todo", "not-run"):
        return "skipped"
    return "error" if status in _ERRORS else "failure"


def _details(check: Json) -> str:
    texts = [check["requirement"], check["traceback"]]
    if found := check["counterexample"]:
        texts += [found["code"], f"expected: {found['expected']}", f"found: {found['found']}"]
    return "\n\n".join(text for text in texts if text)


def _text(value: str) -> str:
    return _ILLEGAL.sub("", clean(value))
