"""Checkpoints: all that a run goes on from. Written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from lab.errors import LabError

WEIGHTS = "model.safetensors"
STATE = "state.pt"
_KEPT = 2  # if the newest should turn out unreadable there is one more


class NotWrittenError(Exception):
    """The checkpoint could not be written. Those before it are whole."""


def weights_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and lasting buffers by name; what is shared, under its first name only."""
    named: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            named[name] = tensor.detach()
    return named


def put_weights(model: nn.Module, weights: dict[str, torch.Tensor], source: str) -> None:
    """Copy weights into a model. Raises LabError, with the model untouched, if they do not fit."""
    own = weights_of(model)
    for name in sorted({*own, *weights}):
        if name not in weights:
            raise LabError(f"{source} has no weight {name}, which the submission's model has")
        if name not in own:
            raise LabError(f"{source} has a weight {name}, which the submission's model has not")
        if own[name].shape != weights[name].shape:
            raise LabError(
                f"{source}: {name} is of shape {tuple(weights[name].shape)}, that of the "
                f"submission's model {tuple(own[name].shape)}"
            )
    with torch.no_grad():
        for name, tensor in weights.items():
            own[name].copy_(tensor)


def write_weights(path: Path, model: nn.Module, facts: dict[str, str]) -> None:
    """Replace the file of weights. Raises NotWrittenError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _save(temporary, model, facts)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise NotWrittenError(_words(error)) from error
    finally:
        temporary.unlink(missing_ok=True)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Weights by name. Raises LabError."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise LabError(f"{path} holds no weights that can be read: {error}") from error


def facts_of(path: Path) -> dict[str, str]:
    """What was noted with a file of weights."""
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def save(folder: Path, step: int, model: nn.Module, state: dict[str, Any]) -> None:
    """Write the checkpoint of a step; drop old ones once it is there. Raises NotWrittenError."""
    temporary: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".new-"))
        _save(temporary / WEIGHTS, model, {"step": str(step)})
        with open(temporary / STATE, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        place = folder / f"{step:08}"
        if place.exists():
            shutil.rmtree(place)
        temporary.rename(place)
        _sync_folder(folder)
    # torch.save says RuntimeError when a file takes no more.
    except (OSError, RuntimeError, SafetensorError) as error:
        raise NotWrittenError(_words(error)) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    for left in folder.glob(".new-*"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    for old in everyone(folder)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def everyone(folder: Path) -> list[Path]:
    """All checkpoints, oldest first."""
    return sorted(place for place in folder.glob("[0-9]*") if place.is_dir())


def load_newest(folder: Path, model: nn.Module) -> dict[str, Any] | None:
    """Put the newest weights that can be read into the model; returns the state with them.

    None if there is no checkpoint. Raises LabError if none can be read, or none fits.
    """
    problem: LabError | None = None
    for place in reversed(everyone(folder)):
        try:
            return _load(place, model)
        except LabError as error:
            problem = problem or error
    if problem is not None:
        raise problem
    return None


def _load(place: Path, model: nn.Module) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(place / STATE, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch says of a broken file
        raise LabError(f"{place / STATE} cannot be read: {error}") from error
    put_weights(model, read_weights(place / WEIGHTS), str(place))
    return state


def room_for(folder: Path, model: nn.Module) -> None:
    """Raise LabError unless the disk takes the checkpoints that are kept, and one more."""
    # Weights, and two moments of each for AdamW.
    needed = (_KEPT + 1) * 3 * sum(t.numel() * t.element_size() for t in weights_of(model).values())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise LabError(
            f"{folder} has room for {free / 1e6:.0f} MB, its checkpoints need {needed / 1e6:.0f} MB"
        )


def _save(path: Path, model: nn.Module, facts: dict[str, str]) -> None:
    weights = {name: tensor.cpu().contiguous() for name, tensor in weights_of(model).items()}
    save_file(weights, path, metadata=facts)
    _sync(path)


def _sync(path: Path) -> None:
    """Have it on the disk, not only on its way there."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    """Have the names in it on the disk, where the system opens folders at all: Windows does not."""
    with contextlib.suppress(OSError):
        _sync(folder)


def _words(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
