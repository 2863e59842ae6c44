"""A model of the submission from the sizes of a recipe, however its constructor takes them."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from grader.sandbox.worker.adapted import Adapted
from grader.submission.arguments import BRIEF, USUAL, meanings, plan_of
from grader.submission.classes import MODEL, Classes, Names
from grader.submission.taken import Taken, taken
from lab.errors import LabError
from lab.presets import Recipe
from lab.submission import Submission

_MOST_FILES = 100
_TIES = re.compile(
    r"(use|is|with)?(weight)?(tie|tied|tying|share|shared)(the)?"
    r"(word|token|input|output|head|lm|emb|embedding|weight|wte)*s?"
)


def built(
    submission: Submission,
    recipe: Recipe,
    vocab_size: int,
    name: str = "GPT2",
    file: str = "gpt2",
) -> nn.Module:
    """The class `name` of a file of the submission, or what plays its part there.

    Raises LabError if the recipe says something that it does not take.
    """
    sizes = (vocab_size, recipe.embed_dim, recipe.num_heads, recipe.num_layers)
    given = dict(zip(BRIEF[MODEL], (*sizes, recipe.block_size, recipe.dropout), strict=True))
    found = _taken(submission, name, file)
    if found is None:
        return _plainly(submission.get(file, name), given, recipe)
    submission.has(file, name)  # imports it
    kind = getattr(_module(found.file), found.own)
    if found.plan is None:
        return _plainly(kind, given, recipe)
    plan = {**asdict(found.plan), "usual": dict(USUAL)}
    if recipe.d_ff:
        sources = {*found.plan.arguments.values(), *found.plan.fields.values()}
        _check_width(recipe, "hidden_dim" in sources, found.own)
        plan["usual"]["hidden_dim"] = recipe.d_ff
    model: nn.Module = Adapted(kind, plan, _module, found.file)(**given)
    return model


def _plainly(kind: Any, given: dict[str, Any], recipe: Recipe) -> nn.Module:
    """Built with the brief's arguments, and with others of the recipe's that it takes."""
    parameters = list(inspect.signature(kind).parameters)
    meant = meanings(parameters)
    further: dict[str, Any] = {}
    if recipe.d_ff:
        width = next((word for word in parameters if meant.get(word) == "hidden_dim"), None)
        _check_width(recipe, width is not None, kind.__name__)
        if width is not None:
            further[width] = recipe.d_ff
    tie = next((word for word in parameters if _TIES.fullmatch(word.replace("_", ""))), None)
    if tie is not None and recipe.tied_head != "own":
        further[tie] = recipe.tied_head == "yes"
    model: nn.Module
    if set(given) <= set(parameters):
        model = kind(**given, **further)
    else:
        model = kind(*given.values(), **further)
    return model


def _check_width(recipe: Recipe, taken: bool, name: str) -> None:
    if not taken and recipe.d_ff != 4 * recipe.embed_dim:
        raise LabError(
            f"d_ff={recipe.d_ff}: the submission's {name} takes no width of the MLP, which is "
            f"4 × embed_dim = {4 * recipe.embed_dim}; give its constructor an argument d_ff"
        )


def _taken(submission: Submission, name: str, file: str) -> Taken | None:
    """What plays the part, where that is another class or is built otherwise."""
    path = submission.place(file)
    if path is None:
        return None  # to import it tells why
    main, trees = path.name, _trees(path.parent)
    if main not in trees:
        return None
    classes = Classes.of(trees, main)
    if name in classes.found:
        one = classes.found[name]
        plan = plan_of(MODEL, one, classes, trees[main])
        return None if plan is None else Taken(name, name, one.file, plan)
    if name != MODEL:
        return None
    return next(iter(taken(path, trees, main, Names(main, (MODEL,), {}))), None)


def _trees(folder: Path) -> dict[str, ast.Module]:
    """The files of a folder that are Python."""
    trees = {}
    for path in sorted(folder.glob("*.py"))[:_MOST_FILES]:
        with suppress(OSError, SyntaxError, ValueError):  # if it is needed, importing it tells why
            trees[path.name] = ast.parse(path.read_bytes())
    return trees


def _module(file: str) -> ModuleType:
    return importlib.import_module(Path(file).stem)
