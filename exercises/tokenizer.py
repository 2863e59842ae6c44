"""Tokenizer: byte-level BPE, as GPT-2 has it. Fill in `train_bpe` and `BPETokenizer`.

The brief is tokenizer.md.
"""

from __future__ import annotations

from collections.abc import Sequence


def train_bpe(text: str, vocab_size: int) -> list[tuple[bytes, bytes]]:
    """The merges that byte-level BPE finds in a text, in the order in which they are made.

    vocab_size: how many tokens there are to be, the 256 bytes included. Fewer come out where
    nothing is left to merge. Each merge is the two symbols that become one, as bytes.

    Raises ValueError for a vocab_size below 256.
    """
    raise NotImplementedError


class BPETokenizer:
    """Turns text into GPT-2's kind of token ids, and ids into text.

    vocab_size: how many ids there are, 0 to vocab_size - 1: the 256 bytes in GPT-2's order, then
    one for each merge, then the special tokens.
    """

    vocab_size: int

    def __init__(
        self, merges: Sequence[tuple[bytes, bytes]], special_tokens: Sequence[str] = ()
    ) -> None:
        """merges: pairs of bytes, first to last, as of train_bpe; special_tokens: their texts."""
        raise NotImplementedError

    def encode(self, text: str, *, allow_special: bool = False) -> list[int]:
        """The ids of a text; "" has none.

        allow_special: whether special tokens in the text become their ids, or are text like any.
        """
        raise NotImplementedError

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these ids. Bytes that are no UTF-8 become U+FFFD.

        Raises ValueError for an id that there is not.
        """
        raise NotImplementedError
