"""One page of a run, that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import base64
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from grader.files import write_whole
from lab import code
from lab.errors import LabError
from lab.log import Entry, read
from lab.run_folder import Run

_WIDTH, _HEIGHT = 640, 260  # of the plot, without its labels
_MOST_POINTS = 1_000  # of a curve: more than there are pixels
_LAST_SAMPLES = 5


def write_report(run: Run, path: Path) -> None:
    """Write the page whole or not at all. Raises OSError."""
    write_whole(path, page(run))


def page(run: Run) -> str:
    """The page. Nothing in it is markup but what the template has."""
    entries = read(run.log)
    evals = [e for e in entries if e["event"] == "eval"]
    steps = [e for e in entries if e["event"] == "step"]
    measured = "accuracy" if any("accuracy" in e for e in evals) else "validation_loss"
    best = _best(evals, measured)
    return (
        _templates()
        .get_template("run.html.jinja")
        .render(
            run=run,
            code=code.recorded(run),
            whose=code.in_words(code.recorded(run)),
            changed=_changed(run),
            recipe=asdict(run.recipe),
            best=best,
            measured=measured.replace("_", " "),
            last=steps[-1] if steps else None,
            evals=evals,
            plot=_plot(steps, evals),
            confusion=_picture(run.path / "confusion.png"),
            samples=[e for e in entries if e["event"] == "sample"][-_LAST_SAMPLES:][::-1],
        )
    )


def _templates() -> Environment:
    """The lab's own, on the ground of the grader's pages."""
    return Environment(
        loader=ChoiceLoader([PackageLoader("lab"), PackageLoader("grader.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _changed(run: Run) -> str | None:
    """How the code has changed since, if it is still there."""
    try:
        return code.difference(run, code.code_of(run, None), of_training=True)
    except LabError as error:
        return str(error)


def _best(evals: list[Entry], measured: str) -> Entry | None:
    found = [e for e in evals if measured in e]
    if not found:
        return None
    choose = max if measured == "accuracy" else min
    return choose(found, key=lambda entry: entry[measured])


def _plot(steps: list[Entry], evals: list[Entry]) -> dict[str, Any] | None:
    """Curves in pixels, and the numbers at the axes."""
    curves = {"batch": [(e["step"], e["loss"]) for e in steps[:: len(steps) // _MOST_POINTS + 1]]}
    for key in ("train_loss", "validation_loss"):
        curves[key.partition("_")[0]] = [(e["step"], e[key]) for e in evals if key in e]
    points = [point for curve in curves.values() for point in curve]
    if len({x for x, _ in points}) < 2:
        return None
    end = max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    span = (high - low) or 1.0

    def pixels(curve: list[tuple[int, float]]) -> str:
        return " ".join(
            f"{_WIDTH * x / end:.1f},{_HEIGHT * (high - y) / span:.1f}" for x, y in curve
        )

    return {
        "size": (_WIDTH, _HEIGHT),
        "curves": {name: pixels(curve) for name, curve in curves.items() if curve},
        "low": f"{low:.2f}",
        "high": f"{high:.2f}",
        "end": f"{end:,}",
    }


def _picture(path: Path) -> str | None:
    """A picture as an address that holds it."""
    if not path.is_file():
        return None
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
