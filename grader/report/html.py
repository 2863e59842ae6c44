"""The report as one page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from grader.files import write_whole
from grader.path import met
from grader.report.advice import next_step, replay_command
from grader.report.playback import saves
from grader.report.progress import axis_end, summary
from grader.report.weights import drawn_weights
from grader.results import Report, total
from grader.session import Session, lines
from grader.text import clean

Rows = Sequence[Sequence[float]]
_FAINT = 1e-9  # of a leak map: what rounding leaves
_CELL = 26  # pixels of a leak map's square
_MARGIN = 38
_PRINTED = 200  # lines
_PLOT = (300, 90)  # pixels of the plot of one part


@dataclass(frozen=True)
class Line:
    """One line of the submission. why: what it is marked for, if it is."""

    number: int
    text: str
    why: tuple[str, ...]


def write(report: Report, path: Path) -> None:
    """Write the page whole or not at all. Raises OSError."""
    write_whole(path, page(report))


def write_progress(session: Session, path: Path) -> None:
    """Write the page of a session whole or not at all. Raises OSError."""
    script, digest = script_of("playback.js")
    text = (
        templates()
        .get_template("progress.html.jinja")
        .render(
            session=session,
            summary=summary(session),
            plots=list(_plots(session)),
            size=_PLOT,
            met=met(session),
            saves=saves(session),
            script=script,
            digest=digest,
        )
    )
    write_whole(path, text)


def page(report: Report) -> str:
    """The page. Nothing in it is markup but what the template has."""
    return _rendered("report.html.jinja", report)


def live_page(report: Report, session: Session, limited: bool) -> str:
    """The page that follows a watch, with the points over time. limited: whether time is."""
    script, digest = script_of("live.js")
    plots = [plot if limited else {**plot, "limit": None} for plot in _plots(session)]
    more = {"plots": plots, "size": _PLOT, "script": script, "digest": digest}
    return _rendered("live.html.jinja", report, **more)


def script_of(name: str) -> tuple[str, str]:
    """A script of ours, and the digest under which a page may run it."""
    environment = templates()
    assert environment.loader is not None
    script, _, _ = environment.loader.get_source(environment, name)
    return script, base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _rendered(name: str, report: Report, **more: Any) -> str:
    return (
        templates()
        .get_template(name)
        .render(
            **more,
            report=report,
            printed=report.printed(_PRINTED),
            verdict="todo" if report.untouched else report.verdict,
            parts=[
                {
                    "name": name,
                    "score": total(r),
                    "top": sum(x.check.points for x in r),
                    "results": r,
                }
                for name, r in report.parts().items()
            ],
            maps=[_leak_map(d.leak_map) for d in report.diagnoses],
            pictures=[_weights(d.cause, d.certainty) for d in report.diagnoses],
            sources={clean(name): list(_lines(report, name)) for name in report.files},
            next_step=next_step(report),
            replay=replay_command(report),
        )
    )


def templates() -> Environment:
    """Where templates come from, all of what is put into them made harmless."""
    environment = Environment(
        loader=PackageLoader("grader.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment


def _breakable(text: str) -> Markup:
    """A long name, that may go on in the next line behind what joins its parts."""
    return Markup(re.sub(r"([./_]+)", r"\1<wbr>", str(escape(text))))


def _lines(report: Report, name: str) -> Iterator[Line]:
    """The lines of a file of the submission, cleaned."""
    why: dict[int, list[str]] = {}
    for mark in report.marks:
        if mark.file == name:
            why.setdefault(mark.line, []).append(mark.why)
    text = report.files[name].decode("utf-8", errors="replace")
    # As Python counts lines: there are more kinds of ends to str.splitlines.
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text.rstrip()), 1):
        yield Line(number, clean(line), tuple(why.get(number, ())))


def _leak_map(rows: Rows) -> dict[str, Any] | None:
    """A picture of which outputs move with which inputs: each row by its own largest change."""
    if not rows:
        return None
    shares = [
        [value / (max(row) or 1.0) if value >= _FAINT else 0.0 for value in row] for row in rows
    ]
    leaks = _future_places(rows, "output {} moves with input {}")
    return _grid(shares, "input s", "output t", leaks or "no output moves with a later input")


def _future_places(rows: Rows, words: str) -> str:
    return "; ".join(
        words.format(t, s)
        for t, row in enumerate(rows)
        for s, value in enumerate(row)
        if s > t and value >= _FAINT
    )


def _weights(cause: str, certainty: str) -> list[dict[str, Any]]:
    """Pictures of the attention weights that a bug gives, beside GPT-2's, for each head."""
    found = drawn_weights(cause) if certainty == "exact" else None
    return [
        {
            name: _grid(
                rows,
                "position s",
                "position t",
                _future_places(rows, "position {} attends to {}") or "no position attends ahead",
            )
            for name, rows in (("expected", expected), ("actual", actual))
        }
        for expected, actual in found or ()
    ]


def _grid(rows: Rows, across: str, down: str, words: str) -> dict[str, Any]:
    """Squares of a picture: row t, column s, as dark as the share there."""
    cells = [
        {
            "x": _MARGIN + s * _CELL,
            "y": _MARGIN + t * _CELL,
            # Anything at all is shown: a faint leak is a leak.
            "shade": round(max(0.15, value), 3) if value >= _FAINT else 0.0,
            "future": s > t,
        }
        for t, row in enumerate(rows)
        for s, value in enumerate(row)
    ]
    side = _MARGIN + len(rows) * _CELL
    return {
        "cells": cells,
        "cell": _CELL,
        "side": side,
        "middle": (_MARGIN + side) / 2,
        "across": across,
        "down": down,
        "ticks": [_MARGIN + (i + 0.5) * _CELL for i in range(len(rows))],
        "words": words,
    }


def _plots(session: Session) -> Iterator[dict[str, Any]]:
    """For each part a line that steps up and down with its share of the points."""
    width, height = _PLOT
    end = axis_end(session)
    for name, points in lines(session):
        places = [
            (round(width * m / end, 1), round(height * (1 - share), 1)) for m, share in points
        ]
        steps = f"M{places[0][0]},{height}" if places else ""
        for x, y in places:
            steps += f" H{x} V{y}"
        yield {
            "name": name,
            "path": f"{steps} H{width}" if places else "",
            "dots": places,
            "limit": round(width * session.minutes / end, 1),
            "end": f"{end:.3g}",
            "words": ", ".join(f"{share:.0%} after {m:.3g} minutes" for m, share in points),
            "last": f"{points[-1][1]:.0%}" if points else "",
        }
