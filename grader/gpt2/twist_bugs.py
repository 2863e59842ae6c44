"""What is named where a GPT-2 is asked for with twists: one is not there, or is not asked for.

A report says what is asked in its place: see `grader.gpt2.twists.explanation`.
"""

from __future__ import annotations

from grader.bug import Bug
from grader.gpt2.twists import PLAIN, TWISTS, Twist

# The checks that show it, by the field of the specification.
CHECKS: dict[str, tuple[str, ...]] = {
    "block": ("block.pre_norm", "block.equals"),
    "norm": ("block.norms", "gpt2.final_norm", "block.equals"),
    "mlp": ("mlp.gelu", "mlp.width", "mlp.equals"),
    "window": ("attention.causal", "attention.equals"),
    "positions": ("attention.order", "gpt2.positions", "attention.equals"),
    "keys": ("attention.projections", "attention.equals"),
    "qk_norm": ("attention.equals",),
    "biases": ("attention.projections", "mlp.equals", "block.norms", "gpt2.final_norm"),
    "cap": ("gpt2.logits", "gpt2.equals"),
    "head": ("gpt2.logits",),
}
_LINES = {
    "block": r"\+|norm|ln|attn|mlp",
    "norm": r"norm|ln|Norm|LN|mean",
    "mlp": r"gelu|GELU|silu|relu|Linear|act",
    "window": r"mask|tril|triu|causal",
    "positions": r"pos|sin|cos|slope|alibi|arange",
    "keys": r"Linear|view|reshape|expand|repeat",
    "qk_norm": r"norm|@|matmul|einsum|scaled_dot",
    "biases": r"Linear|Norm|bias",
    "cap": r"head|tanh|logits",
    "head": r"head|weight",
}


def _bugs(twist: Twist) -> tuple[Bug, Bug]:
    has = twist.is_a.format("a few")
    about = CHECKS[twist.field], _LINES[twist.field]
    return (
        _bug(f"without-{twist.name}", PLAIN[twist.field], has, *about),
        _bug(f"unasked-{twist.name}", has, "GPT-2's own here, or another choice", *about),
    )


def _bug(slug: str, found: str, wanted: str, checks: tuple[str, ...], lines: str) -> Bug:
    return Bug(
        slug=slug,
        summary=f"This is {found}.",
        expected=f"The brief asks for {wanted}.",
        where="Read in the brief what takes the place of GPT-2's own.",
        lines=lines,
        hints=(
            "What does this brief ask for that is not as in GPT-2?",
            f"Your code has {found}. Find the sentence of the brief about it.",
            f"Write {wanted}.",
        ),
        checks=checks,
    )


TWIST_BUGS: tuple[Bug, ...] = (
    *(bug for twist in TWISTS for bug in _bugs(twist)),
    Bug(
        slug="rmsnorm-bias",
        summary="This RMSNorm adds a learned bias.",
        expected="The brief's RMSNorm has a weight for each channel and no bias.",
        where="Look at the parameters of your norm.",
        lines=r"norm|ln|Norm|LN|bias",
        hints=(
            "What is learned in an RMSNorm?",
            "Print the names and shapes of your norm's parameters.",
            "Leave out the bias: x / sqrt(mean(x²) + eps) * weight.",
        ),
        checks=("block.norms", "gpt2.final_norm"),
    ),
)
