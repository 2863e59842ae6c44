"""Texts of a report without the folder in which the submission lies on this machine."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any


def without_place(text: str, report: dict[str, Any]) -> str:
    """The text with the submission called by its own name, as its author knows it."""
    submission = report["submission"]
    folders = {str(PurePath(submission["path"]).parent)}
    folders |= {str(PurePath(submission.get("file", "")).parent)}
    folders |= {str(PurePath(report["base"]))} if report.get("base") else set()
    for folder in sorted(folders - {".", "/"}, key=len):
        text = re.sub(rf"(?<![\w./-]){re.escape(folder)}/", "", text)
    return text


def name_of(report: dict[str, Any]) -> str:
    """What was handed in, without the place."""
    return PurePath(report["submission"]["path"]).name or report["submission"]["path"]
