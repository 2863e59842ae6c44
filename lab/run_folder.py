"""The folder of a run: what lies in it, and what it was made with."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from grader.files import write_whole
from lab.code import difference, facts_of, keep
from lab.data.tokens import Tokens, read_tokens, write_tokens
from lab.errors import LabError
from lab.presets import FORMS, Recipe
from lab.submission import Submission

FORMAT = 1
# Of the recipe, what runs of before have not.
_LATER = {name: getattr(Recipe(), name) for name in ("d_ff", "freeze", "lora", *FORMS)}
LANGUAGE_MODEL, CLASSIFIER = "language model", "classifier"


@dataclass(frozen=True)
class Run:
    """A folder with a config.json, and what that says."""

    path: Path
    kind: str
    recipe: Recipe
    facts: dict[str, Any]

    @property
    def log(self) -> Path:
        """One JSON object a line: what happened."""
        return self.path / "log.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints to go on from."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """The weights of the lowest validation loss, or highest accuracy."""
        return self.path / "best.safetensors"

    def tokens(self, submission: Submission) -> Tokens:
        """What the model's numbers stand for."""
        return read_tokens(self.path, submission)

    def weights(self) -> Path:
        """The best weights, or the newest if there are no best ones. Raises LabError."""
        from lab.checkpoint import WEIGHTS, everyone

        if self.best.is_file():
            return self.best
        if everyone(self.checkpoints):
            return everyone(self.checkpoints)[-1] / WEIGHTS
        raise LabError(f"{self.path} holds no weights yet")


def check_free(path: Path) -> None:
    """Raise LabError if a run has left weights in the folder. One that has not is no loss."""
    weights = [*path.glob("*.safetensors"), *path.glob("checkpoints/[0-9]*")]
    if weights:
        raise LabError(f"{path} holds a run already: go on with --resume, or name another folder")


def create(
    path: Path,
    kind: str,
    recipe: Recipe,
    tokens: Tokens,
    code: Submission,
    facts: dict[str, Any],
) -> Run:
    """Make the folder of a new run, with the code that it is made by. Raises LabError if there is
    one already.
    """
    check_free(path)
    everything = {"submission": facts_of(code), **facts, "versions": _versions()}
    run = Run(path, kind, recipe, everything)
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / "log.jsonl").unlink(missing_ok=True)
        write_tokens(path, tokens)
        keep(path, code)
        _write(run)
    except OSError as error:
        raise LabError(f"{path} cannot be written: {error}") from error
    return run


def record(run: Run, recipe: Recipe, code: Submission, iteration: int) -> None:
    """Note in a run's config.json what it is gone on with, if that is not what it was made with.

    Raises LabError.
    """
    values = {
        name: [old, new]
        for name, old in asdict(run.recipe).items()
        if (new := getattr(recipe, name)) != old
    }
    words = difference(run, code, of_training=True)
    if not values and words is None:
        return
    changes = {"iteration": iteration, "values": values, **({"code": words} if words else {})}
    facts = {**run.facts, "changes": [*run.facts.get("changes", []), changes]}
    try:
        if words is not None:
            facts["submission"] = facts_of(code)
            keep(run.path, code)
        _write(Run(run.path, run.kind, recipe, facts))
    except OSError as error:
        raise LabError(f"{run.path} cannot be written: {error}") from error


def _write(run: Run) -> None:
    """Its config.json. Raises OSError."""
    text = {"format": FORMAT, "kind": run.kind, "recipe": asdict(run.recipe), **run.facts}
    write_whole(run.path / "config.json", json.dumps(text, indent=2) + "\n")


def find(path: Path, kind: str | None = None) -> Run:
    """The run of a folder, or of a checkpoint in it. Raises LabError."""
    for folder in (path, *path.parents[:2]):
        if (folder / "config.json").is_file():
            return _read(folder, kind)
    raise LabError(f"{path} is no folder of a run: it has no config.json")


def _read(path: Path, kind: str | None) -> Run:
    config = path / "config.json"
    try:
        facts = json.loads(config.read_text(encoding="utf-8"))
        found = facts.pop("format")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise LabError(f"{config} is not one that the lab has written") from error
    if found != FORMAT:
        raise LabError(
            f"{path} was written by another version of the lab (format {found}; this one reads "
            f"{FORMAT})"
        )
    try:
        given = {**_LATER, **facts.pop("recipe")}
        recipe = Recipe(**{field.name: given[field.name] for field in fields(Recipe)})
        run = Run(path, facts.pop("kind"), recipe, facts)
    except (KeyError, TypeError) as error:
        raise LabError(f"{config} lacks {error}: it was written by another version") from error
    if kind is not None and run.kind != kind:
        raise LabError(f"{path} is the run of a {run.kind}; this takes a {kind}")
    return run


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("torch", "gpt2-interview-kit"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from the sources
            continue
    return found
