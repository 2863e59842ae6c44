"""What presets and their values are, in words: for `lab presets`, and for a name that is none."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

PRESETS = {
    "cpu": "nanoGPT's small model for a CPU, trained as nanoGPT does; minutes",
    "cpu-seed": "the same model with a learning rate of 3e-4 and twice the iterations",
    "cpu-fast": "the same model by Muon, to a lower loss in about the time nanoGPT takes",
    "cpu-quick": "the same, ended where nanoGPT's run ends: less than a quarter of the time",
    "gpt2-small": "GPT-2's smallest, 124 million parameters, as nanoGPT trains it; for GPUs",
    "classifier": "for `lab finetune` without --base: a small model that tells classes of texts",
    "demo": "a small model that writes readable text within a minute",
}

VALUES = {
    "embed_dim": "width of the model, C",
    "num_heads": "attention heads in each block",
    "num_layers": "blocks",
    "block_size": "tokens that the model reads at once",
    "d_ff": "width inside the MLP; 0: the submission's own, 4 × embed_dim",
    "dropout": "share of activations that training drops",
    "tokens": "chars: each character of the text; bytes: each byte of it; gpt2: GPT-2's byte pairs",
    "tied_head": "whether the head is the token embedding; own: as the submission has it",
    "activation": "gelu: exact; gelu_new: by tanh; own: as the submission has it",
    "layer_norm_epsilon": "0: as the submission has it",
    "freeze": "so many first blocks, and the embeddings below them, do not learn",
    "lora": "for lab finetune: rank of the submission's adapters, which alone learn; 0: none",
    "batch_size": "sequences in a batch, over all processes",
    "accumulation": "batches to one step of the optimizer",
    "optimizer": "adamw: the submission's; muon: the lab's, for the matrices of the blocks",
    "muon_every": "a matrix takes a step of Muon every so many iterations, so many times as large",
    "schedule": "how the learning rate falls: along half a cosine, or in a straight line",
    "iterations": "steps of the optimizer",
    "learning_rate": "the highest",
    "min_learning_rate": "where it ends",
    "warmup_iterations": "over which it rises",
    "decay_iterations": "until which it falls; 0: to the end",
    "weight_decay": "of AdamW, for matrices",
    "beta1": "of AdamW: how long the mean of gradients lasts",
    "beta2": "of AdamW: how long the mean of their squares lasts",
    "max_grad_norm": "what the norm of all gradients is cut to; 0: not at all",
    "precision": "what is multiplied in; auto: tried when the run begins",
    "compile": "torch.compile; auto: on a GPU",
    "attention": "explicit: the submission's own; sdpa: PyTorch's fused call; auto: what is faster",
    "linear": "what multiplies in float32 on a CPU; auto: tried when the run begins",
    "fused": "AdamW in one kernel",
    "log_every": "iterations from line to line of the log",
    "eval_every": "iterations from measurement to measurement",
    "eval_batches": "batches in a measurement",
    "sample_every": "iterations from sample to sample",
    "sample_tokens": "tokens in a sample",
    "checkpoint_every": "iterations from checkpoint to checkpoint",
    "seed": "of everything that chance decides",
}

# What others call them: nanoGPT, Hugging Face.
_ELSEWHERE = {
    "n_layer": "num_layers",
    "n_head": "num_heads",
    "n_embd": "embed_dim",
    "n_positions": "block_size",
    "n_ctx": "block_size",
    "max_iters": "iterations",
    "max_steps": "iterations",
    "epochs": "iterations",
    "lr": "learning_rate",
    "min_lr": "min_learning_rate",
    "warmup_iters": "warmup_iterations",
    "warmup_steps": "warmup_iterations",
    "lr_decay_iters": "decay_iterations",
    "grad_clip": "max_grad_norm",
    "gradient_accumulation_steps": "accumulation",
    "eval_interval": "eval_every",
    "eval_iters": "eval_batches",
    "log_interval": "log_every",
    "dtype": "precision",
}


def meant(name: str, known: Iterable[str]) -> str:
    """Such as ": did you mean iterations?", or nothing."""
    elsewhere = _ELSEWHERE.get(name.lower().replace("-", "_"))
    names = list(known)
    near = [elsewhere] if elsewhere in names else get_close_matches(name, names, 1)
    return f": did you mean {near[0]}?" if near else ""
