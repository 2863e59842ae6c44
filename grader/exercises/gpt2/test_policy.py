"""What a submission may use, and what of it deserves a word."""

from __future__ import annotations

from grader.check import NotRun, check
from grader.exercises.gpt2 import at_work
from grader.gpt2.evidence import Evidence
from grader.gpt2.policy import check_policy

NAME = "Submission"


@check(
    "submission.from_scratch",
    NAME,
    0,
    hints=(
        "The exercise is to write the Transformer.",
        "Look at your imports, and for nn.MultiheadAttention and nn.Transformer….",
        "torch and the standard library only, and of torch no ready-made attention or Transformer "
        "layer; nn.Linear, nn.LayerNorm, nn.Embedding and the like are all right.",
    ),
)
def test_from_scratch(evidence: Evidence) -> None:
    """Only torch and the standard library are used, and no ready-made Transformer of torch's."""
    seen = at_work.look(evidence)
    check_policy(evidence, seen.found, seen.leaves)
    if seen.silent:
        names = ", ".join(seen.silent)
        raise NotRun(f"the calls of {names} cannot be looked at: no answer came")
