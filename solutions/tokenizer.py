"""Tokenizer: byte-level BPE, as GPT-2 has it. The reference solution."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import regex

# GPT-2's pre-tokens. The order matters: spaces give their last one to the word that follows.
PATTERN = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)
# The bytes that print as Latin-1 characters come first, then the others.
_PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
BYTE_ORDER = _PRINTABLE + [b for b in range(256) if b not in _PRINTABLE]

Pair = tuple[bytes, bytes]


def train_bpe(text: str, vocab_size: int) -> list[tuple[bytes, bytes]]:
    """The merges that byte-level BPE finds in a text, in the order in which they are made.

    vocab_size: how many tokens there are to be, the 256 bytes included. Fewer come out where
    nothing is left to merge. Each merge is the two symbols that become one, as bytes.

    Raises ValueError for a vocab_size below 256.
    """
    if vocab_size < 256:
        raise ValueError(f"vocab_size must be at least 256, the bytes; found {vocab_size}")
    # Equal pre-tokens are merged alike: each is kept once, with how often it occurs.
    pre_tokens = Counter(PATTERN.findall(text))
    words = [_single_bytes(piece) for piece in pre_tokens]
    times = list(pre_tokens.values())
    counts: Counter[Pair] = Counter()
    where: dict[Pair, set[int]] = defaultdict(set)  # the words in which a pair may be found
    for n, word in enumerate(words):
        for pair in pairwise(word):
            counts[pair] += times[n]
            where[pair].add(n)
    merges: list[Pair] = []
    while counts and len(merges) < vocab_size - 256:
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        for n in where.pop(best):
            # Only the words that hold the pair change, and with them the counts.
            for pair in pairwise(words[n]):
                counts[pair] -= times[n]
                if counts[pair] == 0:
                    del counts[pair]
            words[n] = _merge(words[n], best)
            for pair in pairwise(words[n]):
                counts[pair] += times[n]
                where[pair].add(n)
    return merges


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
        symbols = [bytes([b]) for b in BYTE_ORDER] + [left + right for left, right in merges]
        first_special = len(symbols)
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        self._ids = {symbol: id for id, symbol in enumerate(symbols)}
        self._special_ids = {token: first_special + n for n, token in enumerate(special_tokens)}
        self._bytes = symbols + [token.encode("utf-8") for token in special_tokens]
        self.vocab_size = len(self._bytes)
        self._known: dict[str, list[int]] = {}  # the ids of pre-tokens seen before
        # Of alternatives that fit the first counts: so the longest go first.
        longest = sorted(special_tokens, key=len, reverse=True)
        self._special = regex.compile("(" + "|".join(map(regex.escape, longest)) + ")")

    def encode(self, text: str, *, allow_special: bool = False) -> list[int]:
        """The ids of a text; "" has none.

        allow_special: whether special tokens in the text become their ids, or are text like any.
        """
        if not allow_special or not self._special_ids:
            return self._encode_ordinary(text)
        ids: list[int] = []
        # A pattern in brackets keeps what it splits at: ordinary, special, ordinary, …
        for n, stretch in enumerate(self._special.split(text)):
            if n % 2 == 1:
                ids.append(self._special_ids[stretch])
            else:
                ids.extend(self._encode_ordinary(stretch))
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these ids. Bytes that are no UTF-8 become U+FFFD.

        Raises ValueError for an id that there is not.
        """
        for id in ids:
            if not 0 <= id < self.vocab_size:
                raise ValueError(f"ids go from 0 to {self.vocab_size - 1}, found {id}")
        # A character may be spread over several tokens: all bytes first, then characters.
        return b"".join(self._bytes[id] for id in ids).decode("utf-8", errors="replace")

    def _encode_ordinary(self, text: str) -> list[int]:
        ids: list[int] = []
        for piece in PATTERN.findall(text):
            if piece not in self._known:
                self._known[piece] = self._encode_piece(piece)
            ids.extend(self._known[piece])
        return ids

    def _encode_piece(self, piece: str) -> list[int]:
        """The ids of one pre-token: the earliest of the merges that fit, again and again."""
        word = _single_bytes(piece)
        while len(word) > 1:
            pairs = pairwise(word)
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            word = _merge(word, best)
        return [self._ids[symbol] for symbol in word]


def _single_bytes(piece: str) -> list[bytes]:
    return [bytes([b]) for b in piece.encode("utf-8")]


def _merge(word: Iterable[bytes], pair: Pair) -> list[bytes]:
    """The word with each such pair made one symbol, from left to right."""
    merged: list[bytes] = []
    open_left = False  # whether the last symbol may still be the left one of a pair
    for symbol in word:
        if open_left and (merged[-1], symbol) == pair:
            merged[-1] += symbol
            open_left = False
        else:
            merged.append(symbol)
            open_left = True
    return merged
