"""Special tokens to judge by, and texts in which they stand."""

from __future__ import annotations

from functools import cache

from grader.exercises.tokenizer import texts
from grader.exercises.tokenizer.common import Setup, distinct
from grader.exercises.tokenizer.oracle import Trainer

# Out of order, one the beginning of another, and signs that mean something in patterns.
TOKENS = (
    *("<|endoftext|>", "<|end|>", "[SEP]", "<|end|><|of|>", "a.b", "(x", "é😀", "<|pad|>", "*.*"),
    *("\n\n\n", "[SEP][SEP]"),
)
PLACES = (
    *("<|end|>", "a<|end|>b", "<|end|><|end|>", " <|end|> ", "a  <|end|>  b", "1<|pad|>2<|pad|>"),
    *("[SEP][SEP][SEP]", "<|end|><|of|>", "<|end|><|of|><|end|>", "a.b axb", "(x)", "<|end", ""),
    "<|END|> A.B [sep]",
)
VALIDATION_SIZE = ("x\n 7low", "low \n |", "\n 7\n ")


# The last reaches over the end of a line, as spaces before a special token may.
_FEW = ((b"l", b"o"), (b"lo", b"w"), (b"\n", b" "))


@cache
def usual() -> Setup:
    """Merges that go through the middle of characters, and special tokens."""
    merges = distinct(Trainer().train(" ".join(texts.PROBES), 256 + 150))
    return Setup(merges, TOKENS)


@cache
def alike() -> Setup:
    """Special tokens whose texts are that of a merge, of a byte, or of neither."""
    return Setup(_FEW, ("<|end|>", "low", "|", "<|pad|>", "7", "é"))
