"""GPT-2's own weights: OpenAI's checkpoints and Hugging Face's files, for a submission's GPT2."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from lab.checkpoint import read_weights
from lab.errors import LabError
from lab.presets import Recipe

_LAYER = re.compile(r"h\.(\d+)\.(.+)\.(weight|bias)")
# Not learned, or the token embedding once more.
_PASSED_OVER = re.compile(r"(h\.\d+\.attn\.(bias|masked_bias)|lm_head\.weight)")
_SIZES = {  # ours: OpenAI's, Hugging Face's
    "vocab_size": ("n_vocab", "vocab_size"),
    "block_size": ("n_ctx", "n_positions"),
    "embed_dim": ("n_embd", "n_embd"),
    "num_heads": ("n_head", "n_head"),
    "num_layers": ("n_layer", "n_layer"),
}


@dataclass(frozen=True)
class Checkpoint:
    """Sizes, and variables under OpenAI's names."""

    sizes: dict[str, int]
    variables: dict[str, torch.Tensor]
    form: str

    def recipe(self) -> Recipe:
        """What builds a model that takes the variables."""
        sizes = {name: size for name, size in self.sizes.items() if name != "vocab_size"}
        return replace(Recipe(tokens="gpt2"), **sizes)  # type: ignore[arg-type]  # all are int


def read_folder(folder: Path) -> Checkpoint:
    """A checkpoint of either kind. Raises LabError."""
    if (folder / "hparams.json").is_file():
        variables = _openai(folder)
        return Checkpoint(_sizes(folder / "hparams.json", 0), variables, "OpenAI, TensorFlow")
    files = sorted(folder.glob("*.safetensors"))
    if files and (folder / "config.json").is_file():
        tensors = {name: one for file in files for name, one in read_weights(file).items()}
        variables = from_hugging_face(tensors)
        return Checkpoint(_sizes(folder / "config.json", 1), variables, "Hugging Face, safetensors")
    raise LabError(
        f"{folder} holds no GPT-2: neither OpenAI's hparams.json, checkpoint and model.ckpt.*, nor "
        "Hugging Face's config.json and *.safetensors"
    )


def _openai(folder: Path) -> dict[str, torch.Tensor]:
    try:
        arrays: Mapping[str, Any] = import_module("lab.bundle").read_checkpoint(folder)
        return {name: torch.tensor(array) for name, array in arrays.items()}
    except (OSError, ValueError) as error:  # a file that is missing or damaged
        raise LabError(str(error)) from error


def _sizes(file: Path, column: int) -> dict[str, int]:
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
        return {ours: int(given[theirs[column]]) for ours, theirs in _SIZES.items()}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LabError(f"{file} does not tell the sizes of a GPT-2: {error}") from error


def from_hugging_face(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same under OpenAI's names. Both keep matrices as (in, out), OpenAI with one axis more.

    What is unknown keeps its name, so that load_openai_weights can name it.
    """
    found = {}
    for name, tensor in tensors.items():
        name = name.removeprefix("transformer.")
        if not _PASSED_OVER.fullmatch(name):
            new = _openai_name(name)
            found[new] = tensor[None] if new.endswith("/w") else tensor
    return {name: tensor.float() for name, tensor in found.items()}


def _openai_name(name: str) -> str:
    """Such as model/h0/attn/c_attn/w for h.0.attn.c_attn.weight."""
    if name in ("wte.weight", "wpe.weight"):
        return f"model/{name[:3]}"
    if name in ("ln_f.weight", "ln_f.bias"):
        return "model/ln_f/" + ("g" if name.endswith("weight") else "b")
    match = _LAYER.fullmatch(name)
    if match is None:
        return name
    layer, part, what = match.groups()
    weight = "g" if part.startswith("ln_") else "w"
    return f"model/h{layer}/{part.replace('.', '/')}/{weight if what == 'weight' else 'b'}"
