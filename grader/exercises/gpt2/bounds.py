"""Numbers that are built in where the brief has none: how many tokens, how many positions."""

from __future__ import annotations

import numpy as np

from grader.check import Failure
from grader.exercises.gpt2 import assembly
from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.sandbox.client import CandidateError

NAME = assembly.NAME
# More tokens than 16 bits can tell apart; GPT-2 has 50,257.
_MANY: dict[str, int] = {
    **{"vocab_size": 2**15 + 40, "embed_dim": 4, "num_heads": 1, "num_layers": 1},
    "block_size": 2,
}
_HIGH = 2**15 + 9


def check_many_tokens(evidence: Evidence) -> None:
    """With a vocabulary like a real one, each token is looked up as itself."""
    module = evidence.models.module(NAME, _MANY, dtype="float32")
    rng = np.random.default_rng(evidence.seed)
    idx = np.array([[_HIGH], [_HIGH + 1], [_HIGH - 2**15], [_HIGH - 2**15 + 1], [2**15 - 1]])
    try:
        logits = module.call(idx, module.random(rng, 0.5))
    except CandidateError as fault:
        if fault.status != "error":
            raise
        raise Failure(
            f"fails for tokens above 32,767, with vocab_size={_MANY['vocab_size']}: "
            f"{fault.message}",
            cause="tokens-of-16-bits",
        ) from None
    if len({row.tobytes() for row in logits[:, 0]}) < len(idx):
        raise Failure(
            f"tokens above 32,767 give the same logits as others, with vocab_size="
            f"{_MANY['vocab_size']}",
            cause="tokens-of-16-bits",
        )


def check_many_positions(evidence: Evidence) -> None:
    """In a long sequence each position has a row of its own: with the blocks all but silent,
    one token gives different logits at every position.
    """
    size = sizes.LONG[NAME]
    module = evidence.models.module(NAME, size)
    theta = module.random(np.random.default_rng(evidence.seed), 0.5)
    blocks = module.own("TransformerBlock")
    for part in blocks:
        theta[module.below(part.path)] *= 1e-6  # not zero, by which a norm of weights would divide
    if not blocks:
        return
    logits = module.call(np.full((1, size["block_size"]), size["vocab_size"] - 1), theta)[0]
    # Small norms behind the branches make the whole stream small.
    spread = float(np.ptp(logits, axis=0).max()) if evidence.asked.block == "post-norm" else 1.0
    scaled = logits / max(spread, np.finfo(float).tiny)
    _, first = np.unique(scaled.round(9), axis=0, return_index=True)
    if len(first) < len(logits):
        late = int(np.setdiff1d(np.arange(len(logits)), first)[0])
        raise Failure(
            f"with block_size={size['block_size']}, position {late} reads the same row of the "
            "table as an earlier one",
            cause="positions-clamped",
            proven=True,
        )
