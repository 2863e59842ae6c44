"""Tensors in files: safetensors or PyTorch's own, in one piece or in shards, under plain names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lab.checkpoint import read_weights
from lab.errors import LabError

_WHOLE = ("model.safetensors", "pytorch_model.bin", "ckpt.pt")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_ENDINGS = (".safetensors", ".bin", ".pt", ".pth")
_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\.\w+)")
# What wraps a model leaves its name in front: DataParallel, torch.compile, trainers of others.
_WRAPPERS = re.compile(r"^((module|model|_orig_mod|transformer)\.)+")
_HOLDERS = ("model", "state_dict", "model_state_dict", "module")


@dataclass(frozen=True)
class Weights:
    """Tensors by plain names, such as h.0.attn.c_attn.weight. args: nanoGPT's model_args."""

    tensors: dict[str, torch.Tensor]
    source: str
    args: dict[str, Any] = field(default_factory=dict)


def read_tensors(place: Path) -> Weights | None:
    """Those of a file, or of a folder that has any. Raises LabError for what cannot be read."""
    files = [place] if place.is_file() else _files(place)
    if not files:
        return None
    tensors: dict[str, torch.Tensor] = {}
    args: dict[str, Any] = {}
    for file in files:
        found = read_weights(file) if file.suffix == ".safetensors" else _torch(file, args)
        tensors |= found
    return Weights({plain(name): one for name, one in tensors.items()}, files[0].name, args)


def plain(name: str) -> str:
    """A parameter's name without what wraps its model, or a part of that."""
    return _WRAPPERS.sub("", name.replace("_orig_mod.", ""))


def _files(folder: Path) -> list[Path]:
    """The files of the one model in a folder; of several forms the safest."""
    for index in _INDEXES:
        if (folder / index).is_file():
            return _of_index(folder / index)
    for name in _WHOLE:
        if (folder / name).is_file():
            return [folder / name]
    for ending in _ENDINGS:
        found = sorted(folder.glob(f"*{ending}"))
        shards = [file for file in found if _SHARD.fullmatch(file.name)]
        if shards:
            return _all_shards(folder, shards)
        if len(found) == 1:
            return found
        if found:
            raise LabError(
                f"{folder} holds several files of weights: "
                f"{', '.join(file.name for file in found)}; name one of them"
            )
    return []


def _of_index(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise LabError(f"{index} names no shards: {error!r}") from error
    return [_there(index.parent / Path(name).name, index.name) for name in names]


def _all_shards(folder: Path, shards: list[Path]) -> list[Path]:
    """All of them, where the first says how many there are."""
    stem, _, count, ending = _SHARD.fullmatch(shards[0].name).groups()  # type: ignore[union-attr]
    names = (f"{stem}-{n:05}-of-{count}{ending}" for n in range(1, int(count) + 1))
    return [_there(folder / name, shards[0].name) for name in names]


def _there(file: Path, said_by: str) -> Path:
    if not file.is_file():
        raise LabError(f"{file} is missing: {said_by} says that it belongs to the weights")
    return file


def _torch(file: Path, args: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Of a file of torch.save. Nothing in it is run: weights only."""
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch and pickle say of a broken or a harmful file
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise LabError(
            f"{file} cannot be loaded as weights alone, and the lab runs no code of files: "
            + words[0]
        ) from error
    if isinstance(found, Mapping):
        args.update(found.get("model_args") or {})
        held = next((found[key] for key in _HOLDERS if isinstance(found.get(key), Mapping)), found)
        tensors = {str(name): one for name, one in held.items() if torch.is_tensor(one)}
        if tensors:
            return tensors
    raise LabError(f"{file} holds no tensors by name")
