"""Requirements of a `CachedGPT2` on the work of a step: what a cache is for."""

from __future__ import annotations

from functools import partial

import numpy as np

from grader.check import Counterexample, Failure, check
from grader.exercises.kv_cache.client import Piece
from grader.exercises.kv_cache.clock import check_clock
from grader.exercises.kv_cache.common import ZERO, Text, asked, model, same
from grader.gpt2.evidence import Evidence
from grader.gpt2.models import Size

PART = "Work"
_BLOCK_SIZE = 50


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
    rng = np.random.default_rng((evidence.seed, 8))
    width, layers = int(rng.choice((48, 64, 80))), 2
    size: Size = {
        "vocab_size": 211,
        "embed_dim": width,
        "num_heads": 4,
        "num_layers": layers,
        "block_size": _BLOCK_SIZE,
    }
    short, long = int(rng.integers(6, 10)), int(rng.integers(36, 44))
    text = Text(size, 1, (long, 3), 0.1, evidence.seed)
    made = model(evidence, size)
    theta, idx = text.drawn(made)
    shown = _compared(text, long, 1, "an error")
    what = f"a step after {long} tokens"
    starts = [Piece(idx[:, :past], None, str(past)) for past in (short, long)]
    asked(evidence, lambda: made.steps(starts, theta), what, shown)
    for new in (1, 3):
        shown = _compared(text, long, new, "more")
        steps = [Piece(idx[:, past : past + new], str(past)) for past in (short, long)]
        found, (few, many) = asked(evidence, partial(made.counted, steps), what, shown)
        for past, logits in zip((short, long), found, strict=True):
            whole = asked(evidence, partial(made.call, idx[:, : past + new]), what, shown)
            if not same(logits, whole[:, past:]):
                raise Failure(
                    f"{new} tokens after {past} get different logits than in the whole text", shown
                )
        grown = (many.multiplications - few.multiplications) / (long - short)
        # Attending to a token of the past takes 2 · embed_dim multiplications for each new one, in
        # each block; one projection of it done again takes embed_dim² more.
        if grown <= layers * (2 * width * new + width**2 / 4):
            continue
        raise Failure(
            f"a step of {new} new takes {few.multiplications} multiplications after {short} "
            f"tokens, and {many.multiplications} after {long} ({few.seconds * 1e3:.1f} and "
            f"{many.seconds * 1e3:.1f} ms): {grown:.0f} more for each token of the past, where "
            f"attending to it in {layers} blocks takes {2 * width * new * layers}",
            _counted(text, (short, long), new, str(grown)),
            "cache-recomputes",
        )
    check_clock(evidence)


def _compared(text: Text, past: int, new: int, found: str) -> Counterexample:
    """How far a step is from the whole text, as code."""
    return text.counterexample(
        ZERO,
        found,
        f"_, cache = model(idx[:, :{past}])",
        f"logits, _ = model(idx[:, {past} : {past + new}], cache)",
        f"print((logits - model(idx[:, :{past + new}])[0][:, {past}:]).abs().max())",
    )


def _counted(text: Text, pasts: tuple[int, int], new: int, found: str) -> Counterexample:
    """How the work of a step grows with the past, as code; torch counts two for one each."""
    short, long = pasts
    return text.counterexample(
        float(2 * text.size["embed_dim"] * new * text.size["num_layers"]),
        found,
        "from torch.utils.flop_counter import FlopCounterMode",
        "",
        "def multiplications(past):",
        "    _, cache = model(idx[:, :past])",
        "    with FlopCounterMode(display=False) as counter:",
        f"        model(idx[:, past : past + {new}], cache)",
        "    return counter.get_total_flops() / 2",
        "",
        "# How many more of them a step takes for each token of the past.",
        f"print((multiplications({long}) - multiplications({short})) / {long - short})",
    )
