"""What a checkpoint says it is: sizes, and which of GPT-2's forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.presets import Recipe

# Hugging Face's names of the two GELUs; other activations are no GPT-2's.
GELUS = {
    **dict.fromkeys(("gelu", "gelu_python"), "gelu"),
    **dict.fromkeys(("gelu_new", "gelu_pytorch_tanh", "gelu_accurate", "gelu_fast"), "gelu_new"),
}
_OPENAI = {"n_vocab": "vocab_size", "n_ctx": "block_size", "n_embd": "embed_dim"}
_HUGGING_FACE = {"vocab_size": "vocab_size", "n_positions": "block_size", "n_embd": "embed_dim"}
_NANOGPT = {"vocab_size": "vocab_size", "block_size": "block_size", "n_embd": "embed_dim"}
_COUNTS = {"n_head": "num_heads", "n_layer": "num_layers"}
# What Hugging Face takes where a config does not say it.
_DEFAULTS: dict[str, Any] = {
    **{"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12},
    **{"activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True},
    **{"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "n_inner": None},
}
# Of a config, what makes another thing of a GPT-2 than any submission is.
_STRANGE = ("add_cross_attention", "quantization_config", "pruned_heads")


@dataclass(frozen=True)
class Architecture:
    """Sizes and forms. Names are those of a recipe where it has them."""

    vocab_size: int
    block_size: int
    embed_dim: int
    num_heads: int
    num_layers: int
    d_ff: int
    activation: str = "gelu_new"
    layer_norm_epsilon: float = 1e-5
    tied: bool = True
    scaled: bool = True  # scores are divided by the square root of head_dim
    scaled_by_layer: bool = False  # and by the number of the block, from 1

    def recipe(self) -> Recipe:
        """What builds a model of these sizes."""
        wide = self.d_ff if self.d_ff != 4 * self.embed_dim else 0
        return replace(
            Recipe(tokens="gpt2"),
            embed_dim=self.embed_dim,
            num_heads=self.num_heads,
            num_layers=self.num_layers,
            block_size=self.block_size,
            d_ff=wide,
        )


def from_hparams(file: Path) -> Architecture:
    """OpenAI's hparams.json. Raises LabError."""
    given = _json(file)
    return _plain(_sizes(given, _OPENAI, str(file)))


def from_config(file: Path) -> Architecture:
    """Hugging Face's config.json. Raises LabError with the field that no GPT-2 of ours has."""
    given = _json(file)
    if given.get("model_type", "gpt2") != "gpt2":
        raise LabError(f"{file}: expected model_type 'gpt2', found {given['model_type']!r}")
    for field in _STRANGE:
        if given.get(field):
            raise LabError(f"{file}: {field} is {given[field]!r}, which the lab does not read")
    for ours, theirs in (("n_positions", "n_ctx"), ("n_positions", "max_position_embeddings")):
        if ours not in given and theirs in given:
            given[ours] = given[theirs]
    given = {**_DEFAULTS, **given}
    activation = given["activation_function"]
    if activation not in GELUS:
        raise LabError(
            f"{file}: activation_function is {activation!r}; GPT-2 has a GELU, one of "
            + ", ".join(GELUS)
        )
    sizes = _sizes(given, _HUGGING_FACE, str(file))
    try:
        return replace(
            _plain(sizes),
            d_ff=int(given["n_inner"] or sizes["d_ff"]),
            activation=GELUS[activation],
            layer_norm_epsilon=float(given["layer_norm_epsilon"]),
            tied=bool(given["tie_word_embeddings"]),
            scaled=bool(given["scale_attn_weights"]),
            scaled_by_layer=bool(given["scale_attn_by_inverse_layer_idx"]),
        )
    except (TypeError, ValueError) as error:
        raise LabError(f"{file} is no config of a GPT-2: {error}") from error


def _plain(sizes: dict[str, int]) -> Architecture:
    return Architecture(**sizes)  # type: ignore[arg-type]  # its sizes only, which are int


def from_model_args(given: Mapping[str, Any], source: str) -> Architecture:
    """The model_args of nanoGPT's ckpt.pt, whose GELU is the exact one. Raises LabError."""
    return replace(_plain(_sizes(given, _NANOGPT, source)), activation="gelu")


def _json(file: Path) -> dict[str, Any]:
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LabError(f"{file} does not tell the sizes of a GPT-2: {error}") from error
    if not isinstance(given, dict):
        raise LabError(f"{file} does not tell the sizes of a GPT-2: expected an object")
    return given


def _sizes(given: Mapping[str, Any], names: Mapping[str, str], source: str) -> dict[str, int]:
    found = {}
    for theirs, ours in {**names, **_COUNTS}.items():
        size = given.get(theirs)
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise LabError(f"{source}: expected {theirs} to be a positive integer, found {size!r}")
        found[ours] = size
    if found["embed_dim"] % found["num_heads"]:
        raise LabError(
            f"{source}: n_embd {found['embed_dim']} is no multiple of n_head {found['num_heads']}"
        )
    return {**found, "d_ff": 4 * found["embed_dim"]}
