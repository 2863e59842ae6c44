"""What is asked of a GPT-2: GPT-2's own choices, or others in their place.

One value holds every choice that the checks, the searches and the oracle go by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Block = Literal["pre-norm", "post-norm", "sandwich-norm", "parallel"]
Norm = Literal["layer", "rms"]
Positions = Literal["learned", "sinusoidal", "alibi"]
Keys = Literal["each", "pairs", "one"]


@dataclass(frozen=True)
class Specification:
    """The choices of a model; by default GPT-2's.

    block: where norms and residuals stand; norm: "layer" or "rms", in every place; mlp: the
    activation between two layers, or "swiglu" for a gated one; window: how many positions a
    position sees, itself among them, 0 for all; positions: where the model knows them from; keys:
    how many query heads share keys and values; qk_norm: whether queries and keys are normed;
    biases: whether there may be any; cap: of the logits, 0 for none; head: whether it has to be
    the token table.
    """

    block: Block = "pre-norm"
    norm: Norm = "layer"
    mlp: Literal["gelu", "relu-squared", "swiglu"] = "gelu"
    window: int = 0
    positions: Positions = "learned"
    keys: Keys = "each"
    qk_norm: bool = False
    biases: bool = True
    cap: float = 0.0
    head: Literal["free", "tied", "untied"] = "free"

    def width(self, embed_dim: int) -> int:
        """Hidden units of the MLP."""
        return 8 * embed_dim // 3 if self.mlp == "swiglu" else 4 * embed_dim

    def key_heads(self, num_heads: int) -> int:
        """How many heads of keys and values there are."""
        return {"each": num_heads, "pairs": (num_heads + 1) // 2, "one": 1}[self.keys]

    @property
    def plain_block(self) -> bool:
        """Whether a block is wired, and normed, as GPT-2's."""
        return self.block == "pre-norm" and self.norm == "layer"

    @property
    def plain_scores(self) -> bool:
        """Whether every head has queries and keys of its own, which alone make its scores."""
        return self.keys == "each" and not self.qk_norm and self.positions != "alibi"


GPT2 = Specification()
