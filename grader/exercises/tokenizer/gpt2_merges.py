"""GPT-2's own merges, as OpenAI published them.

data/gpt2_vocab.bpe.bz2 is the file vocab.bpe of OpenAI's GPT-2 (MIT licence, Copyright (c) 2019
OpenAI; https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/vocab.bpe), compressed with
bz2, nothing else changed. SHA256 is that of vocab.bpe itself, the same that tiktoken expects.
"""

from __future__ import annotations

import bz2
import functools
from pathlib import Path

FILE = Path(__file__).parent / "data" / "gpt2_vocab.bpe.bz2"
SHA256 = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"

Merges = tuple[tuple[bytes, bytes], ...]


def byte_order() -> list[int]:
    """The 256 bytes in the order of GPT-2's ids: those that print come first."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return printable + [b for b in range(256) if b not in printable]


def byte_of_character() -> dict[int, int]:
    """For the number of each character in the file, the byte that it stands for."""
    order = byte_order()
    written = [b if n < 188 else 256 + n - 188 for n, b in enumerate(order)]
    return dict(zip(written, order, strict=True))


def published() -> str:
    """The text of vocab.bpe."""
    return bz2.decompress(FILE.read_bytes()).decode("utf-8")


@functools.cache
def gpt2_merges() -> Merges:
    """The 50,000 merges, first to last.

    The file writes a printable byte as the character of that number, and the others, in their
    order, as the characters from U+0100 on.
    """
    # One table for the whole text: as Latin-1 every character is then the byte that it stands for.
    table = byte_of_character()
    lines = published().splitlines()[1:]
    pairs = []
    for line in lines:
        left, right = line.split(" ")
        pairs.append((_bytes(left, table), _bytes(right, table)))
    return tuple(pairs)


def _bytes(word: str, table: dict[int, int]) -> bytes:
    return word.translate(table).encode("latin-1")
