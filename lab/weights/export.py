"""A run as a folder that Hugging Face's `transformers` loads, with the same logits."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from grader.files import write_whole
from lab.data.tokens import Tokens
from lab.errors import LabError
from lab.presets import Recipe
from lab.submission import Submission
from lab.weights.architecture import Architecture
from lab.weights.expected import logits
from lab.weights.fitting import close_to, difference, drawn
from lab.weights.guess import guesses
from lab.weights.names import HEAD, hugging_face_name
from lab.weights.places import Found, found_in
from lab.weights.vocabulary_files import vocabulary_files

_EPSILONS = (1e-5, 1e-6, 1e-8, 1e-12)


def write_hugging_face(
    folder: Path, model: nn.Module, submission: Submission, recipe: Recipe, tokens: Tokens
) -> None:
    """Write config, weights and vocabulary to a new folder.

    Raises LabError if the model is no GPT-2 as `transformers` has it; OSError.
    """
    of = _plain(recipe, tokens.vocab_size)
    if submission.place("pretrained") is None:
        found: Iterable[Found] = guesses(model, of)
    else:
        found = [found_in(model, submission, recipe, of)]
    fitting = (fits for one in found if (fits := _what_it_is(model, one, of)))
    what = next(fitting, None)
    if what is None:
        raise LabError(
            "the submission's logits are not those of a GPT-2 with its weights: `grader grade` on "
            "gpt2.py tells what differs"
        )
    of, variables, head = what
    tensors = {
        hugging_face_name(name): (one[0] if name.endswith("/w") else one).contiguous()
        for name, one in variables.items()
    }
    if head is not None:
        tensors[HEAD] = head.contiguous()
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    texts = {"config.json": _config(of, recipe, tokens), **vocabulary_files(tokens, of.block_size)}
    for name, content in texts.items():
        text = content if isinstance(content, str) else json.dumps(content, indent=2) + "\n"
        write_whole(folder / name, text)


def _plain(recipe: Recipe, vocab_size: int) -> Architecture:
    sizes = (recipe.embed_dim, recipe.num_heads, recipe.num_layers)
    return Architecture(vocab_size, recipe.block_size, *sizes, recipe.d_ff or 4 * recipe.embed_dim)


def _what_it_is(
    model: nn.Module, found: Found, of: Architecture
) -> tuple[Architecture, dict[str, torch.Tensor], torch.Tensor | None] | None:
    """The forms under which the weights give the model's logits, and its own head if it has one.

    None if they do under none.
    """
    idx = drawn(of)
    best, least = None, float("inf")
    for form, table, head in _forms(model, found, of):
        variables = {**found.variables, "model/wte": table}
        expected = logits(variables, form, idx, head)
        off = difference(model, idx, expected)
        if off <= close_to(expected) and off < least:
            best, least = (form, variables, head), off
    return best


def _forms(
    model: nn.Module, found: Found, of: Architecture
) -> Iterator[tuple[Architecture, torch.Tensor, torch.Tensor | None]]:
    """What the model may be: its GELU, its epsilon, which table is the tokens', which the head."""
    eps: list[Any] = [m.eps for m in model.modules() if isinstance(getattr(m, "eps", None), float)]
    tables = found.tables
    heads = [(table, head) for table in tables for head in tables if head is not table]
    for table, head in [*((table, None) for table in tables), *heads]:
        for activation, e in itertools.product(("gelu_new", "gelu"), {*eps, *_EPSILONS}):
            form = replace(of, activation=activation, layer_norm_epsilon=e, tied=head is None)
            yield form, table, head


def _config(of: Architecture, recipe: Recipe, tokens: Tokens) -> dict[str, Any]:
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": of.vocab_size,
        "n_positions": of.block_size,
        "n_ctx": of.block_size,
        "n_embd": of.embed_dim,
        "n_layer": of.num_layers,
        "n_head": of.num_heads,
        "n_inner": of.d_ff,
        "activation_function": of.activation,
        "layer_norm_epsilon": of.layer_norm_epsilon,
        "tie_word_embeddings": of.tied,
        **dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), recipe.dropout),
        **dict.fromkeys(("bos_token_id", "eos_token_id"), tokens.end),
        "torch_dtype": "float32",
    }
