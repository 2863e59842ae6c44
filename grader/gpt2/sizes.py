"""Sizes at which the four classes are built: small, and no two axes alike where it matters."""

from __future__ import annotations

from random import Random

from grader.gpt2.models import Size

ATTENTION: tuple[Size, ...] = (
    {"embed_dim": 6, "num_heads": 2, "block_size": 7},
    {"embed_dim": 6, "num_heads": 3, "block_size": 4},
    {"embed_dim": 5, "num_heads": 1, "block_size": 4},
)
MLP: tuple[Size, ...] = ({"embed_dim": 5}, {"embed_dim": 4})
# Small, for a block that is written in one piece is searched element by element.
BLOCK: tuple[Size, ...] = (
    {"embed_dim": 4, "num_heads": 2, "block_size": 5},
    {"embed_dim": 4, "num_heads": 1, "block_size": 3},
)
# With attentions of the sizes above, and no two axes of the same length.
MODEL: tuple[Size, ...] = (
    {"vocab_size": 13, "embed_dim": 6, "num_heads": 2, "num_layers": 2, "block_size": 7},
    {"vocab_size": 11, "embed_dim": 5, "num_heads": 1, "num_layers": 3, "block_size": 4},
)
# As long and as wide as real ones: longer than a constant that somebody might have built in.
REAL: dict[str, Size] = {
    "CausalSelfAttention": {"embed_dim": 256, "num_heads": 4, "block_size": 130},
    "GPT2": {"vocab_size": 9, "embed_dim": 64, "num_heads": 4, "num_layers": 1, "block_size": 130},
}
# Above the numbers that come to mind: 8 or 12 heads, 12 layers, 64 or 1,024 wide, 256 tokens; and
# multiples of 64 as well as what leaves a remainder. Each seed adds to some, see `large`: so
# nobody can be right at these alone.
_LARGE: dict[str, tuple[Size, ...]] = {
    "CausalSelfAttention": (
        {"embed_dim": 240, "num_heads": 15, "block_size": 64},
        {"embed_dim": 256, "num_heads": 2, "block_size": 259},
    ),
    "MLP": ({"embed_dim": 12}, {"embed_dim": 100}, {"embed_dim": 320}),
    "TransformerBlock": ({"embed_dim": 20, "num_heads": 10, "block_size": 40},),
    "GPT2": (
        {"vocab_size": 320, "embed_dim": 10, "num_heads": 10, "num_layers": 13, "block_size": 16},
        {"vocab_size": 9, "embed_dim": 64, "num_heads": 4, "num_layers": 2, "block_size": 259},
    ),
}
# What is added to the large sizes at random: to which, on which axis, how often at most. A step is
# one, or one for each head, or what leaves a multiple of 64 one.
_ROUND = 64
_MORE: dict[str, tuple[tuple[int, str, int], ...]] = {
    "CausalSelfAttention": ((0, "embed_dim", 2), (0, "block_size", 1), (1, "block_size", 12)),
    "MLP": ((0, "embed_dim", 6), (1, "embed_dim", 60)),
    "TransformerBlock": ((0, "block_size", 20), (0, "embed_dim", 1)),
    "GPT2": ((0, "vocab_size", 2), (0, "block_size", 9), (1, "block_size", 12)),
}
# Longer than GPT-2's own 1,024 positions, which are often built in; and as cheap as such a length
# can be, for those who loop in Python.
LONG: dict[str, Size] = {
    "CausalSelfAttention": {"embed_dim": 4, "num_heads": 1, "block_size": 1030},
    "GPT2": {"vocab_size": 9, "embed_dim": 4, "num_heads": 1, "num_layers": 1, "block_size": 1030},
}
# Where a layout that is carried over from the sizes above has to be right to be trusted; and the
# largest at which one is searched for where that fails.
VALIDATION_SIZE: dict[str, Size] = {
    "CausalSelfAttention": {"embed_dim": 9, "num_heads": 3, "block_size": 5},
    "MLP": {"embed_dim": 7},
}
_MAX_SEARCH_SIZE: dict[str, Size] = {
    "CausalSelfAttention": {"embed_dim": 20, "num_heads": 10, "block_size": 40},
    "MLP": {"embed_dim": 13},
}
# Of a block in one piece that is read element by element, which takes long: more heads than usual.
INLINE: Size = {"embed_dim": 10, "num_heads": 10, "block_size": 12}


def large(name: str, seed: int) -> tuple[Size, ...]:
    """The large sizes of a class in a run with this seed."""
    found = [dict(size) for size in _LARGE[name]]
    draw = Random(f"large sizes of {name}, {seed}")
    for place, axis, most in _MORE[name]:
        size = found[place]
        step = size["num_heads"] if axis == "embed_dim" and "num_heads" in size else 1
        step = step if size[axis] % _ROUND else _ROUND
        size[axis] += step * draw.randint(0, most)
    return tuple(found)


def largest_searched(name: str, seed: int) -> Size:
    """The largest size at which a layout is searched for, in a run with this seed."""
    size = _MAX_SEARCH_SIZE[name]
    axis, most = ("block_size", 9) if "block_size" in size else ("embed_dim", 5)
    return {**size, axis: size[axis] + Random(f"searched {name}, {seed}").randint(0, most)}


BY_CLASS = {
    "CausalSelfAttention": ATTENTION,
    "MLP": MLP,
    "TransformerBlock": BLOCK,
    "GPT2": MODEL,
}
