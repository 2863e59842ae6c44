"""How adapters are called, and what they may use."""

from __future__ import annotations

import numpy as np

from grader.check import check
from grader.exercises import contract
from grader.exercises.lora import client
from grader.exercises.lora.common import ADD, LAYER, MERGE, Adapted
from grader.gpt2.evidence import Evidence
from grader.sandbox.client.function import call

PART = "Contract"


test_from_scratch = contract.from_scratch(
    "lora", "write the adapters", "torch and the standard library only: no peft."
)


test_imports = contract.imports("lora", PART)


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
    contract.expect_there(evidence, LAYER, ADD, MERGE)
    linear = client.linear(evidence.subject, LAYER, [np.ones((3, 4))])
    with contract.calls_fit(evidence, LAYER):
        call(evidence.subject, LAYER, {"linear": linear, "rank": 2, "alpha": 4.0})
    adapted = Adapted(evidence, ADD, 0, tied=False)
    with contract.calls_fit(evidence, ADD):
        given = {"model": adapted.model, "rank": 2, "alpha": 4.0}
        call(evidence.subject, ADD, given)
    with contract.calls_fit(evidence, MERGE):
        call(evidence.subject, MERGE, {"model": adapted.model})
