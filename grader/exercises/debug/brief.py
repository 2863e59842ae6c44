"""The brief of a debugging interview, made for the puzzle."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable

from grader.exercises.debug.sheet import Sheet

_WHAT = {
    "gpt2.py": "GPT-2 in four classes: `CausalSelfAttention`, `MLP`, `TransformerBlock`, `GPT2`",
    "train.py": "batches, loss, optimizer, schedule, training step, estimate and generation. "
    "`python train.py` trains the model on one short text, within a minute on a CPU, and prints "
    "losses and a sample",
    "kv_cache.py": "`CachedGPT2`, which reads only what is new",
    "tokenizer.py": "`train_bpe` and `BPETokenizer`: byte-level BPE as GPT-2 has it",
    "classification.py": "`GPT2Classifier` and `finetune_step`",
}
_CONTRACTS = {
    "gpt2.py": "GPT-2's: learned positions, pre-norm blocks, a causal mask, GELU and a hidden "
    "layer of 4 · embed_dim in the MLP, a norm at the end, raw logits. Dropout is on the "
    "embeddings, the attention weights and what attention and MLP give, in train mode only. "
    "Initial values, tied or untied, biases or none, exact or tanh GELU: as they are, nothing is "
    "wrong with them",
    "train.py": "what the docstrings say. Targets are inputs shifted by one; the loss is a mean "
    "over all targets that are not `ignore_index`; AdamW decays parameters of two axes or more "
    "and no others; the schedule is a warm-up in equal parts that reaches the maximum in its last "
    "step, half a cosine, then the floor; a step is that of one batch with all micro-batches in "
    "it, clipped by the norm of all gradients, and gives their mean loss as a `float`; an "
    "estimate leaves no trace; a sample reads at most "
    "the last `block_size` tokens, applies temperature, then top-k, then top-p, and keeps what "
    "has ended ended",
    "kv_cache.py": "the logits of a whole text, whatever pieces it is read in. A cache that was "
    "given stays as it is",
    "tokenizer.py": "GPT-2's pattern, greatest pair first among equals, ids in GPT-2's order, "
    "bytes that are no UTF-8 as U+FFFD",
    "classification.py": "class logits from the last real token of each row; a step on the mean "
    "cross-entropy, clipped by the norm of all gradients if asked",
}


def brief(sheet: Sheet, minutes: float, order: Collection[int]) -> str:
    """The text. order: in which the symptoms are told, so that it says nothing of the places."""
    files = _listed(f"`{file}`: {_WHAT[file]}." for file in sheet.planted)
    contracts = _listed(f"`{file}`: {_CONTRACTS[file]}." for file in sheet.planted)
    symptoms = _listed(sheet.plants[n].plant.symptom for n in order)
    count = len(sheet.plants)
    bugs = "one bug" if count == 1 else f"{count} bugs"
    return f"""\
# Debug it

You have about {minutes:g} minutes. The code in this folder runs, or nearly, and is wrong: it has
{bugs}. Find and fix them. Say aloud what you suspect and how you test it; how you search counts as
much as what you find.

## The code

{files}

## What users reported

In no particular order. A report may be about more than one bug, or put it badly.

{symptoms}

## What has to stay

The names and signatures of classes and functions, and the overall structure: which file has what,
and what calls what. How a line does its work is yours to change. What each file is to be:

{contracts}

`main` in `train.py`, the text and the sizes there are all right: with every bug fixed its loss ends
near 0.1, and the sample is nearly the text. That alone does not show that every bug is fixed.

## What counts

- Each bug that is fixed, and none that is new. Smaller changes are better than rewritten classes,
  which are allowed.
- Write experiments wherever you like; further files here are not graded.

`grader grade` tells how it looks from outside: the loss of a short run, whether text comes out, and
for each part, yes or no, whether it does what a reference does on hidden weights.
"""


def _listed(items: Iterable[str]) -> str:
    return "\n".join(
        textwrap.fill(item, 100, initial_indent="- ", subsequent_indent="  ") for item in items
    )
