"""Runs side by side: how far each came, and what they do not have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from grader.files import write_whole
from lab import code, log
from lab.plot import Curve, plot
from lab.report import templates
from lab.run_folder import CLASSIFIER, Run

Row = tuple[str, list[str]]  # what it is called, and of each run how much
_NONE = "–"


@dataclass(frozen=True)
class Comparison:
    """Names of the runs; what came out; values that differ; and what to beware of."""

    names: list[str]
    results: list[Row]
    values: list[Row]
    doubts: list[str]


def compared(runs: Sequence[Run]) -> Comparison:
    """Runs of one kind or of several, in their order."""
    results = [_result(run) for run in runs]
    recipes = [asdict(run.recipe) for run in runs]
    return Comparison(
        _names([run.path for run in runs]),
        [(key, [result[key] for result in results]) for key in results[0]],
        [
            (name, [str(recipe[name]) for recipe in recipes])
            for name in recipes[0]
            if len({recipe[name] for recipe in recipes}) > 1
        ],
        _doubts(runs),
    )


def write_page(runs: Sequence[Run], path: Path) -> None:
    """The same as one page, with the curves. Raises OSError."""
    comparison = compared(runs)
    curves = {name: _curve(run) for name, run in zip(comparison.names, runs, strict=True)}
    template = templates().get_template("compare.html.jinja")
    write_whole(path, template.render(comparison=comparison, plot=plot(curves)))


def _result(run: Run) -> dict[str, str]:
    entries = log.read(run.log)
    evals = [e for e in entries if "validation_loss" in e or "accuracy" in e]
    paces = [e["tokens_per_second"] for e in entries if "tokens_per_second" in e]
    steps = [e["step"] for e in entries if e["event"] == "step"]
    data: dict[str, Any] = run.facts.get("data", {})
    found = {
        "best": _NONE,
        "perplexity": _NONE,
        "at iteration": _NONE,
        "iterations": f"{max(steps, default=0):,} of {run.recipe.iterations:,}",
        "tokens a second": f"{median(paces):,.0f}" if paces else _NONE,
        "text": str(data.get("source", run.facts.get("loaded", _NONE))),
        "code": code.in_words(code.recorded(run)) or code.recorded(run)["path"],
        "device": str(run.facts.get("device", _NONE)),
    }
    if evals and run.kind == CLASSIFIER:
        best = max(evals, key=lambda e: e["accuracy"])
        found |= {"best": f"accuracy {best['accuracy']:.4f}", "at iteration": f"{best['step']:,}"}
    elif evals:
        best = min(evals, key=lambda e: e["validation_loss"])
        loss = best["validation_loss"]
        found |= {"best": f"validation loss {loss:.4f}", "at iteration": f"{best['step']:,}"}
        found["perplexity"] = f"{log.perplexity(loss):,.2f}"
    return found


def _curve(run: Run) -> Curve:
    """Validation loss or accuracy over iterations."""
    key = "accuracy" if run.kind == CLASSIFIER else "validation_loss"
    return [(e["step"], e[key]) for e in log.read(run.log) if key in e]


def _names(paths: Sequence[Path]) -> list[str]:
    """The folders' own names if they tell them apart, else the paths."""
    names = [path.resolve().name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _doubts(runs: Sequence[Run]) -> list[str]:
    doubts = []
    if len({run.kind for run in runs}) > 1:
        doubts.append("these are runs of several kinds: a loss and an accuracy do not compare")
    data: list[dict[str, Any]] = [run.facts.get("data", {}) for run in runs]
    if len({str(one.get("ids") or one.get("key") or one) for one in data}) > 1:
        doubts.append("not all have the same text and tokens: their losses do not compare")
    return doubts
