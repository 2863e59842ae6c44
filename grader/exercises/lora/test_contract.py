"""How adapters are called, and what they may use."""

from __future__ import annotations

import numpy as np

from grader.check import Failure, check
from grader.exercises.lora import client
from grader.exercises.lora.common import ADD, LAYER, MERGE, Adapted
from grader.gpt2 import imports
from grader.gpt2.evidence import Evidence
from grader.gpt2.policy import check_policy
from grader.sandbox.client import CandidateError
from grader.sandbox.client.function import call

PART = "Contract"


@check(
    "lora.from_scratch",
    "Submission",
    0,
    hints=(
        "The exercise is to write the adapters.",
        "Look at your imports.",
        "torch and the standard library only: no peft.",
    ),
)
def test_from_scratch(evidence: Evidence) -> None:
    """Only torch and the standard library are used."""
    check_policy(evidence)


@check("lora.imports", PART, 1, hints=imports.HINTS)
def test_imports(evidence: Evidence) -> None:
    """The file parses, and importing it ends by itself and needs nothing but torch."""
    imports.check_imports(evidence)


@check(
    "lora.signature",
    PART,
    1,
    hints=(
        "Compare names and arguments with the stub's, letter by letter.",
        "rank and alpha are given by name.",
        "class LoRALinear(nn.Module): __init__(self, linear, rank, alpha); "
        "def add_lora(model, rank, alpha); def merge_lora(model)",
    ),
)
def test_signature(evidence: Evidence) -> None:
    """There are LoRALinear, add_lora and merge_lora, which take the stub's arguments by name."""
    found = evidence.subject.found_classes()
    for name in (LAYER, ADD, MERGE):
        if name not in found:
            evidence.subject.explain_absence(name)
            raise Failure(f"expected {name}, found none", cause="wrong-signature")
        if found[name].startswith("not a"):
            raise Failure(f"{name} is {found[name]}", cause="wrong-signature")
    try:
        linear = client.linear(evidence.subject, LAYER, [np.ones((3, 4))])
        call(evidence.subject, LAYER, {"linear": linear, "rank": 2, "alpha": 4.0})
        adapted = Adapted(evidence, ADD, 0, tied=False)
        given = {"model": adapted.model, "rank": 2, "alpha": 4.0}
        call(evidence.subject, ADD, given)
        call(evidence.subject, MERGE, {"model": adapted.model})
    except CandidateError as fault:
        if fault.message.startswith("it raised TypeError") and not fault.traceback:
            raise Failure(fault.message, cause="wrong-signature") from None
        raise
