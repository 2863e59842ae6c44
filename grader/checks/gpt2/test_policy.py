"""What a submission may use, and what of it deserves a word."""

from __future__ import annotations

import numpy as np

from grader.checks.api import NotRun, check
from grader.checks.evidence import Evidence
from grader.checks.gpt2 import common, sizes
from grader.checks.policy import advise_of_stranded, check_policy
from grader.remote import CandidateError, WorkerLost
from grader.submission import FORBIDDEN_NAMES

NAME = "Submission"
_SHARE = 0.2  # of the time for a check: this one is not the place to wait for what hangs
_SDPA = "scaled_dot_product_attention"


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
    check_policy(evidence, _seen_at_work(evidence))


def _seen_at_work(evidence: Evidence) -> list[str]:
    """Forbidden modules inside the model, and forbidden functions that it calls."""
    size = sizes.MODEL[0]
    evidence.subject.start_clock(_SHARE)
    try:
        model = evidence.models.module("GPT2", size)
        found = [f"{p.path} is torch's {p.type}" for p in model.parts if p.type in FORBIDDEN_NAMES]
        x = np.zeros((1, 3), dtype=np.int64)
        functions, stranded, watched = model.trace(x)
        unwatched, again = (model.outputs([x], any_shape=True)[0] for _ in range(2))
    except (CandidateError, NotRun):
        return []  # a model that does not run is judged elsewhere
    except WorkerLost as lost:
        if lost.status != "timeout":
            raise
        raise NotRun("the calls of GPT2 cannot be looked at: it gives no answer") from None
    if common.same(unwatched, again) and not common.same(watched, unwatched):
        found.append("it computes something else while its calls are noted")
    called = {name.rsplit(".", 1)[-1] for name in functions}
    if _SDPA in called:
        evidence.advise(
            "fused-attention",
            "F.scaled_dot_product_attention computes the attention. That is allowed; be ready to "
            "write it out.",
        )
    advise_of_stranded(evidence, stranded)
    return found + [f"calls torch's {name}" for name in sorted(called & FORBIDDEN_NAMES)]
