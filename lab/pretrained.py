"""GPT-2's own weights: OpenAI's checkpoints, Hugging Face's files, nanoGPT's; read and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from lab.errors import LabError
from lab.weights import names
from lab.weights.architecture import Architecture, from_config, from_hparams, from_model_args
from lab.weights.files import Weights, read_tensors


@dataclass(frozen=True)
class Checkpoint:
    """What it is, its variables under OpenAI's names, and a head (V, C) if that is not the wte."""

    architecture: Architecture
    variables: dict[str, torch.Tensor]
    form: str
    head: torch.Tensor | None = None


def read_folder(place: Path) -> Checkpoint:
    """A checkpoint of any of the three, in a folder or, of the latter two, a file of one.

    Raises LabError.
    """
    folder = place if place.is_dir() else place.parent
    if place.is_dir() and (folder / "hparams.json").is_file():
        architecture = from_hparams(folder / "hparams.json")
        variables = _openai(folder)
        names.check(variables, architecture, str(folder))
        return Checkpoint(architecture, variables, "OpenAI, TensorFlow")
    config = folder / "config.json"
    weights = read_tensors(place)
    if weights is not None and weights.args:
        architecture = from_model_args(weights.args, weights.source)
        return _checkpoint(place, weights, architecture, "nanoGPT")
    if weights is not None and config.is_file():
        return _checkpoint(place, weights, from_config(config), "Hugging Face")
    if weights is not None:
        raise LabError(f"{place} holds weights, but no config.json beside them tells their n_head")
    raise LabError(
        f"{place} holds no GPT-2: neither OpenAI's hparams.json, checkpoint and model.ckpt.*, nor "
        "Hugging Face's config.json with *.safetensors or pytorch_model.bin, nor nanoGPT's ckpt.pt"
    )


def _checkpoint(place: Path, weights: Weights, of: Architecture, kind: str) -> Checkpoint:
    tensors = dict(weights.tensors)
    head = _head(tensors, of, place)
    variables = names.openai_variables(tensors, names.is_transposed(tensors))
    if kind == "nanoGPT" and not any(name.endswith("/b") for name in variables):
        variables = names.with_biases(variables, of)
    names.check(variables, of, str(place))
    return Checkpoint(of, variables, f"{kind}, {weights.source}", head)


def _head(tensors: dict[str, torch.Tensor], of: Architecture, place: Path) -> torch.Tensor | None:
    """Takes the head out of the tensors. None where the token embedding is the head."""
    head, embedding = tensors.pop(names.HEAD, None), tensors.get("wte.weight")
    if not of.tied:
        if head is None:
            raise LabError(f"{place}: tie_word_embeddings is false, but there is no {names.HEAD}")
        if tuple(head.shape) != (of.vocab_size, of.embed_dim):
            raise LabError(
                f"{place}: expected {names.HEAD} of shape {(of.vocab_size, of.embed_dim)}, found "
                f"{tuple(head.shape)}"
            )
        return head.float()
    if head is not None and embedding is not None and not torch.equal(head, embedding):
        raise LabError(
            f"{place}: tie_word_embeddings is true, but {names.HEAD} is not wte.weight; set it to "
            "false in config.json if the head is its own"
        )
    return None


def _openai(folder: Path) -> dict[str, torch.Tensor]:
    try:
        arrays: Mapping[str, Any] = import_module("lab.bundle").read_checkpoint(folder)
        return {name: torch.tensor(array) for name, array in arrays.items()}
    except (OSError, ValueError) as error:  # a file that is missing or damaged
        raise LabError(str(error)) from error
