"""What holds for all six functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from grader.check import check
from grader.exercises import contract
from grader.exercises.training.client import RemoteToyModel
from grader.exercises.training.common import trainee
from grader.gpt2.evidence import Evidence
from grader.gpt2.policy import advise_of_stranded
from grader.sandbox.client import CandidateError
from grader.sandbox.client.function import call

PART = "Batches and loss"
NAMES = (
    *("get_batch", "language_modeling_loss", "configure_optimizer", "learning_rate_at"),
    *("train_step", "estimate_loss"),
)


test_from_scratch = contract.from_scratch(
    "training",
    "write the training yourself",
    "torch and the standard library only; torch.optim and torch.nn.functional are welcome.",
)


test_imports = contract.imports("training", PART)


@check(
    "training.signature",
    PART,
    1,
    hints=(
        "Compare the six functions with the stub's, letter by letter.",
        "Everything after the * in the stub is given by name; what has a default there may be "
        "left out.",
        "Copy the six def lines from the stub; whatever you add needs a default.",
    ),
)
def test_signature(evidence: Evidence) -> None:
    """There are the stub's six functions, which take the stub's arguments by name."""
    contract.expect_there(evidence, *NAMES)
    unwritten, device_mismatches = [], []
    for name in NAMES:
        try:
            with contract.calls_fit(evidence, name):
                device_mismatches += _call_plainly(evidence, name)
        except CandidateError as fault:
            unwritten += [fault] if fault.status == "todo" else []
    advise_of_stranded(evidence, device_mismatches)
    if unwritten:
        raise unwritten[0].with_traceback(None)


def _call_plainly(evidence: Evidence, name: str) -> list[str]:
    """Call it; returns what would fail on a GPU, but for what reads a text: that may stay here."""
    subject = evidence.subject
    data = np.arange(30) % 7
    pair = data[None, :4], data[None, 1:5]
    rates = {"max_learning_rate": 1.0, "min_learning_rate": 0.1}
    student = RemoteToyModel(subject, name, trainee(0).arrays)
    model = {"model": student.itself}
    given: dict[str, dict[str, Any]] = {
        "get_batch": {"data": data, "batch_size": 2, "block_size": 4, "generator": None},
        "language_modeling_loss": {
            "logits": np.zeros((1, 4, 7)),
            "targets": pair[1],
            "ignore_index": -100,
        },
        "configure_optimizer": {
            **model,
            "learning_rate": 0.1,
            "weight_decay": 0.1,
            "betas": (0.9, 0.95),
        },
        "learning_rate_at": {"step": 1, **rates, "warmup_steps": 2, "total_steps": 4},
        "train_step": {
            **model,
            "optimizer": student.sgd,
            "micro_batches": [pair],
            "max_grad_norm": None,
        },
        "estimate_loss": {
            **model,
            "data": data,
            "batch_size": 2,
            "block_size": 4,
            "num_batches": 1,
            "seed": 0,
        },
    }
    return call(subject, name, given[name], watch="data" not in given[name]).device_mismatches
