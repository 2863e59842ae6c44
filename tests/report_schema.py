"""docs/report-schema.json: made of the types of grader/schema.py.

python -m tests.report_schema    (writes it anew)
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec

from grader.results import Report
from grader.schema import ReportShape
from tests.bank import ROOT

FILE = ROOT / "docs" / "report-schema.json"


def schema() -> dict[str, Any]:
    """Of a report, as JSON Schema 2020-12 has it."""
    found = msgspec.json.schema(ReportShape)
    named = {name.removesuffix("Shape"): shape for name, shape in found["$defs"].items()}
    text = json.dumps({"title": "Report of a grading", **found, "$defs": named})
    made: dict[str, Any] = json.loads(text.replace('Shape"', '"'))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def strict(found: Any) -> Any:
    """The same, refusing keys that it does not name. (Readers should not mind new ones.)"""
    if isinstance(found, list):
        return [strict(item) for item in found]
    if not isinstance(found, dict):
        return found
    shut = {"additionalProperties": False} if found.get("type") == "object" else {}
    return {**{key: strict(value) for key, value in found.items()}, **shut}


_VALIDATOR = jsonschema.Draft202012Validator(strict(schema()))


def check(report: Report) -> None:
    """Raise ValidationError unless a report is as the schema says, with no key beyond."""
    check_json(report.as_json())


def check_json(found: Any) -> None:
    """The same for a report that was written already."""
    _VALIDATOR.validate(json.loads(json.dumps(found)))


if __name__ == "__main__":
    FILE.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
