"""One page of a run, that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import base64
from dataclasses import asdict
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from grader.files import write_whole
from lab import code
from lab.drawing import kept
from lab.errors import LabError
from lab.log import Entry, perplexity, read
from lab.plot import Curve, Plot, plot
from lab.run_folder import Run

_LOW = 90  # pixels: the learning rate's plot
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
        templates()
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
            losses=_losses(steps, evals),
            rates=_rates(steps),
            perplexity=perplexity,
            model=kept(run.path),
            confusion=_picture(run.path / "confusion.png"),
            samples=[e for e in entries if e["event"] == "sample"][-_LAST_SAMPLES:][::-1],
        )
    )


def templates() -> Environment:
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


def _losses(steps: list[Entry], evals: list[Entry]) -> Plot | None:
    """Loss over iterations."""
    curves: dict[str, Curve] = {"batch": [(e["step"], e["loss"]) for e in steps]}
    for key in ("train_loss", "validation_loss"):
        curves[key.partition("_")[0]] = [(e["step"], e[key]) for e in evals if key in e]
    return plot(curves)


def _rates(steps: list[Entry]) -> Plot | None:
    """Learning rate over iterations."""
    return plot({"learning rate": [(e["step"], e["learning_rate"]) for e in steps]}, _LOW)


def _picture(path: Path) -> str | None:
    """A picture as an address that holds it."""
    if not path.is_file():
        return None
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
