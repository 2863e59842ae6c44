"""Words about a submission's objects and exceptions, all bounded in length."""

from __future__ import annotations

import builtins
import difflib
import inspect
import json
import linecache
import traceback
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from torch import nn

from grader.sandbox.wire import MAX_ARRAYS, MAX_DESCRIPTION, MAX_MODULES

_MAX_TEXT = 4000  # characters of a message or traceback
_MAX_FRAMES = 8
_MAX_NAME = 1000
_WORKER = str(Path(__file__).parent)


def exception(error: BaseException, own_files: Collection[str]) -> dict[str, Any]:
    """Kind, type, message and the candidate's own frames of an exception."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in own_files
    ]
    name = _type(error)
    try:
        message = str(error)
    except BaseException:
        message = "(its message cannot be shown)"
    if isinstance(error, SyntaxError):
        shown = "".join(traceback.format_exception_only(type(error), error))
    else:
        shown = "".join(traceback.format_list(frames[-_MAX_FRAMES:]))
    return {
        "kind": _kind(error, message, frames),
        "type": name[:200],
        "message": message[:_MAX_TEXT],
        "traceback": shown[-_MAX_TEXT:],
        "close": _close(error),
    }


def _close(error: BaseException) -> str:
    """The name that was meant, if one that is there is like the one that is not."""
    name = getattr(error, "name", None)
    if not isinstance(error, NameError | AttributeError) or not isinstance(name, str):
        return ""
    try:
        if isinstance(error, AttributeError):
            there = set(dir(error.obj))
        else:
            there = set(dir(builtins))
            for frame, _ in traceback.walk_tb(error.__traceback__):
                there |= {*frame.f_locals, *frame.f_globals}
        folded = {each.casefold(): each for each in there if isinstance(each, str)}
        close = difflib.get_close_matches(name.casefold(), sorted(folded), 1, 0.75)
    except BaseException:  # what dir runs may be the submission's own
        return ""
    found = folded[close[0]] if close else ""
    return "" if found.startswith("__") else found[:100]


def _type(error: BaseException) -> str:
    """The name of an exception's type; of a submission's own, that of Python's which it is one of.

    Whoever catches ValueError catches what is derived from it: the brief asks for no more.
    """
    kind = type(error)
    own = kind.__name__
    if kind.__module__ != "builtins" and isinstance(error, ValueError):
        return next(base.__name__ for base in kind.__mro__ if base.__module__ == "builtins")
    return own


def _kind(error: BaseException, message: str, frames: list[traceback.FrameSummary]) -> str:
    """todo: an untouched stub; memory: over the limit; exit; error: anything else."""
    if isinstance(error, NotImplementedError) and frames:
        line = linecache.getline(frames[-1].filename, frames[-1].lineno or 0)
        if "NotImplementedError" in line:
            return "todo"
    # torch reports a failed allocation as a RuntimeError with these words.
    if isinstance(error, MemoryError) or "can't allocate memory" in message:
        return "memory"
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return "exit"
    return "error" if frames else _whose(error)


def _whose(error: BaseException) -> str:
    """ "grader" for a slip of the worker's own code, which no line of the submission has a part in.

    What is looked up in something of the submission's, or called, fails because of that.
    """
    trace = traceback.extract_tb(error.__traceback__)
    if not trace or not trace[-1].filename.startswith(_WORKER):
        return "error"
    if isinstance(error, AttributeError):
        own = type(error.obj).__module__.startswith("grader.")
    else:
        own = isinstance(error, AssertionError | NameError | LookupError)
    return "grader" if own else "error"


def callable_(name: str, item: object) -> str:
    """What a name of the submission is: its signature if it is the class, or the function, that
    it has to be. Names of classes begin with a capital letter.
    """
    if name[0].isupper() and not inspect.isclass(item):
        return f"not a class but {type(item).__name__}"
    if not callable(item):
        return f"not a function but {type(item).__name__}"
    try:
        return str(inspect.signature(item))[:_MAX_TEXT]
    except (TypeError, ValueError):
        return "(...)"


def model(
    module: nn.Module, named: Sequence[tuple[str, bool]], classes: Mapping[str, Any]
) -> bytes:
    """Weights and modules of a model, as the parent's layout search wants them, as JSON.

    named: (name, trained) of each weight; one that is computed has the name of a parameter
    that it comes from before a `|`. Raises ValueError where the parent would not read it all.
    """
    modules = list(islice(module.named_modules(remove_duplicate=False), MAX_MODULES + 1))
    if len(modules) > MAX_MODULES or len(named) >= MAX_ARRAYS:
        raise ValueError(
            f"the model has {len(named)} parameters in {len(modules)} modules or more; the grader "
            f"takes fewer than {MAX_ARRAYS} parameters, and at most {MAX_MODULES} modules"
        )
    canonical = {id(parameter): name for name, parameter in module.named_parameters()}
    kinds = _kinds([type(child) for _, child in modules], classes)
    numbers: dict[str, list[int]] = {}
    for number, (name, _) in enumerate(named):
        numbers.setdefault(name.split("|")[0], []).append(number)
    plain = [name for name, _ in named] == list(canonical.values())
    inside: dict[int, dict[str, None]] = {}
    told = {
        "parameters": [[name[:_MAX_NAME], trained] for name, trained in named],
        "modules": [
            {
                "path": path[:_MAX_NAME],
                "identity": id(child),
                "kind": kinds[type(child)],
                "type": _type_name(child),
                "parameters": _numbered(_inside(child, canonical, inside), numbers, plain),
            }
            for path, child in modules
        ],
    }
    text = json.dumps(told, separators=(",", ":")).encode()
    if len(text) > MAX_DESCRIPTION:
        raise ValueError(
            f"the names of the model's modules and parameters take {len(text)} characters; the "
            f"grader takes at most {MAX_DESCRIPTION}"
        )
    return text


def _kinds(types: Sequence[type], classes: Mapping[str, Any]) -> dict[type, str | None]:
    """Which of the submission's classes a module of each type counts as.

    types: of all modules, the model's own first. A type is the class itself, or derived from it;
    or else, if nothing inside is, that of which the class is but another name:
    `class TransformerBlock(Layer): pass` over a stack of `Layer`s.
    """
    names = {name: item for name, item in classes.items() if inspect.isclass(item)}
    found = {
        kind: next((name for name, item in names.items() if kind is item), None)
        or next((name for name, item in names.items() if issubclass(kind, item)), None)
        for kind in types
    }
    inside = {found[kind] for kind in types[1:]}
    for kind in types[1:]:
        if found[kind] is None and not kind.__module__.startswith("torch."):
            derived = [name for name, item in names.items() if issubclass(item, kind)]
            if len(derived) == 1 and derived[0] not in inside:
                found[kind] = derived[0]
    return found


def _inside(
    module: nn.Module, canonical: Mapping[int, str], known: dict[int, dict[str, None]]
) -> dict[str, None]:
    """Names of the parameters in a module and in those inside it, in the order of its own.

    known: of modules seen before.
    """
    if id(module) not in known:
        known[id(module)] = {}  # should it hold itself
        names = {canonical[id(p)]: None for p in module._parameters.values() if p is not None}
        for child in module._modules.values():
            names |= _inside(child, canonical, known) if child is not None else {}
        known[id(module)] = names
    return known[id(module)]


def _numbered(names: Iterable[str], numbers: Mapping[str, list[int]], plain: bool) -> list[int]:
    """Numbers of the weights that are these parameters or come from them, in which case (not
    plain) they are in the order in which they meet the data.
    """
    found = {number: None for name in names for number in numbers.get(name, ())}
    return list(found) if plain else sorted(found)


def _type_name(module: nn.Module) -> str:
    """The nearest class of torch's own that a module is an instance of."""
    for kind in type(module).__mro__:
        if kind.__module__.startswith("torch.nn"):
            return kind.__name__
    return type(module).__name__
