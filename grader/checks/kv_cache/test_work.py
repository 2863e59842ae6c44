"""Requirements of a `CachedGPT2` on the work of a step: what a cache is for."""

from __future__ import annotations

from grader.checks.api import Failure, check
from grader.checks.evidence import Evidence
from grader.checks.kv_cache.common import Text, asked, model
from grader.checks.models import Size
from grader.remote.cached import Piece

PART = "Work"
_SIZE: Size = {
    "vocab_size": 17,
    "embed_dim": 64,
    "num_heads": 4,
    "num_layers": 2,
    "block_size": 100,
}
_PASTS = (16, 80)
# Multiplications that a token of the past may add to a step, for each block. Attending to it takes
# 2 · embed_dim = 128; a projection done again takes embed_dim² = 4096 at least.
_ALLOWED = 1024


@check(
    "kv_cache.work",
    PART,
    16,
    hints=(
        "What is computed of the past tokens when one new token comes?",
        "Print the shape of what goes into each nn.Linear in a step with a past of 80 tokens.",
        "Only the new tokens go through projections, MLP and head: (B, 1, C). Past keys and values "
        "come from the cache, and queries of the past are not needed.",
    ),
)
def test_work(evidence: Evidence) -> None:
    """The work of a step is that of its new tokens; what grows is only that they attend to more."""
    text = Text(_SIZE, 1, (_PASTS[1], 1), 0.1, evidence.seed)
    made = model(evidence, _SIZE)
    theta, idx = text.drawn(made)
    pieces = []
    for past in _PASTS:
        pieces += [Piece(idx[:, :past], None, str(past)), Piece(idx[:, past : past + 1], str(past))]
    shown = text.counterexample("logits", "an error", "_, cache = model(idx[:, :80])")
    _, work = asked(lambda: made.counted(pieces, theta), "a step after 80 tokens", shown)
    few, many = work[1], work[3]
    grown = (many.multiplications - few.multiplications) / (_PASTS[1] - _PASTS[0])
    if grown > _ALLOWED * _SIZE["num_layers"]:
        raise Failure(
            f"one new token takes {few.multiplications} multiplications after {_PASTS[0]} tokens, "
            f"and {many.multiplications} after {_PASTS[1]} ({few.seconds * 1e3:.1f} and "
            f"{many.seconds * 1e3:.1f} ms): {grown:.0f} more for each token of the past, where "
            f"attending to it in {_SIZE['num_layers']} blocks takes "
            f"{2 * _SIZE['embed_dim'] * _SIZE['num_layers']}",
            text.counterexample(
                "one new token: (1, 1, 64)",
                "more than that",
                "_, cache = model(idx[:, :80])",
                "for module in model.modules():",
                "    if isinstance(module, torch.nn.Linear):",
                "        module.register_forward_hook(lambda m, x, y: print(tuple(x[0].shape)))",
                "model(idx[:, 80:], cache)",
            ),
            "cache-recomputes",
        )
