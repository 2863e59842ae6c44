"""What holds for all six functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from grader.check import Failure, check
from grader.exercises.training.client import RemoteToyModel
from grader.exercises.training.common import trainee
from grader.gpt2 import imports
from grader.gpt2.evidence import Evidence
from grader.gpt2.policy import advise_of_stranded, check_policy
from grader.sandbox.client import CandidateError
from grader.sandbox.client.function import call

PART = "Batches and loss"
NAMES = (
    *("get_batch", "language_modeling_loss", "configure_optimizer", "learning_rate_at"),
    *("train_step", "estimate_loss"),
)


@check(
    "training.from_scratch",
    "Submission",
    0,
    hints=(
        "The exercise is to write the training yourself.",
        "Look at your imports.",
        "torch and the standard library only; torch.optim and torch.nn.functional are welcome.",
    ),
)
def test_from_scratch(evidence: Evidence) -> None:
    """Only torch and the standard library are used."""
    check_policy(evidence)


@check("training.imports", PART, 1, hints=imports.HINTS)
def test_imports(evidence: Evidence) -> None:
    """The file parses, and importing it ends by itself and needs nothing but torch."""
    imports.check_imports(evidence)


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
    found = evidence.subject.found_classes()
    for name in NAMES:
        if name not in found:
            evidence.subject.explain_absence(name)
            raise Failure(f"expected a function {name}, found none", cause="wrong-signature")
        if found[name].startswith("not a function"):
            raise Failure(
                f"expected {name} to be a function, found {found[name]}", cause="wrong-signature"
            )
    unwritten, device_mismatches = [], []
    for name in NAMES:
        try:
            device_mismatches += _call_plainly(evidence, name)
        except CandidateError as fault:
            # Raised by the call itself: there is no line of the submission in it.
            if fault.message.startswith("it raised TypeError") and not fault.traceback:
                message = f"{name} has {found[name]}: {fault.message}"
                raise Failure(message, cause="wrong-signature") from None
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
