"""Pictures, as PNG and SVG: loss curves with the learning rate, and confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.log import Entry

_DOTS = 150  # an inch


def draw_losses(entries: Sequence[Entry], stem: Path) -> list[Path]:
    """The losses of a run over its iterations, and below them the learning rate."""
    figure, (above, below) = _figure(2, 1, figsize=(8, 6), sharex=True, height_ratios=[3, 1])
    steps = [e for e in entries if e["event"] == "step"]
    evals = [e for e in entries if e["event"] == "eval"]
    at = [e["step"] for e in steps]
    above.plot(at, [e["loss"] for e in steps], color="0.75", linewidth=0.8, label="batch")
    for key, label in (("train_loss", "train"), ("validation_loss", "validation")):
        points = [(e["step"], e[key]) for e in evals if key in e]
        if points:
            above.plot(*zip(*points, strict=True), marker="o", markersize=3, label=label)
    above.set_ylabel("loss (nats a token)")
    above.legend()
    below.plot(at, [e["learning_rate"] for e in steps], color="0.3")
    below.set_ylabel("learning rate")
    below.set_xlabel("iteration")
    for axes in (above, below):
        axes.grid(alpha=0.3)
    return _written(figure, stem)


def draw_confusion(table: Sequence[Sequence[int]], names: Sequence[str], stem: Path) -> list[Path]:
    """Row: what it was; column: what it was taken for."""
    side = 2.5 + 0.8 * len(names)
    figure, axes = _figure(figsize=(side + 0.5, side))
    shares = [[n / max(1, sum(row)) for n in row] for row in table]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(table):
        for j, n in enumerate(row):
            axes.text(j, i, n, ha="center", va="center", color="w" if shares[i][j] > 0.5 else "k")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("taken for")
    axes.set_ylabel("was")
    return _written(figure, stem)


def _figure(*shape: int, figsize: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    """A figure of matplotlib that needs no screen. Raises ImportError without matplotlib."""
    # Not by pyplot, which takes half a second to come, and is for windows.
    from matplotlib.figure import Figure

    figure = Figure(figsize, layout="constrained")
    return figure, figure.subplots(*shape, **options)


def _written(figure: Any, stem: Path) -> list[Path]:
    paths = [stem.with_suffix(ending) for ending in (".png", ".svg")]
    for path in paths:
        figure.savefig(path, dpi=_DOTS)
    return paths
