"""Byte-level BPE as GPT-2 has it: pre-tokens, training, encoding and decoding.

Each class is made of small steps, so that a named bug is one of them written otherwise; see
`tokenizer_forms`. Sources: Sennrich et al. 2016 (arXiv:1508.07909) for BPE, and `encoder.py` of
OpenAI's GPT-2 for bytes, pre-tokens and their pattern.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from grader.exercises.tokenizer.gpt2_merges import Merges, byte_order, gpt2_merges

Pair = tuple[bytes, bytes]
Word = tuple[bytes, ...]

_PATTERN = re.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+", re.ASCII
)
# The property White_Space. Python's str.isspace() has U+001C to U+001F besides.
_SPACES = frozenset("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | frozenset(
    map(chr, range(0x2000, 0x200B))
)


@functools.cache
def kind(character: str) -> str:
    """An ASCII character in place of any: itself, or a letter, digit, mark or space like it."""
    if character.isascii():
        return character
    if character in _SPACES:
        return "\t"
    # No contraction has a capital A.
    return {"L": "A", "N": "0"}.get(unicodedata.category(character)[0], "!")


def pieces(text: str, pattern: re.Pattern[str] = _PATTERN) -> list[str]:
    """The pre-tokens of a text. pattern: of ASCII characters, each for all of its kind."""
    alike = "".join(map(kind, text))
    return [text[found.start() : found.end()] for found in pattern.finditer(alike)]


def single(word: bytes) -> Word:
    """Each byte by itself."""
    return tuple(word[i : i + 1] for i in range(len(word)))


def join(word: Word, pair: Pair) -> Word:
    """The word with this pair made one, from left to right."""
    parts: list[bytes] = []
    i = 0
    while i < len(word):
        if word[i : i + 2] == pair:
            parts.append(word[i] + word[i + 1])
            i += 2
        else:
            parts.append(word[i])
            i += 1
    return tuple(parts)


class Trainer:
    """Finds merges. Its methods are the steps of it. merges: those found so far."""

    def __init__(self) -> None:
        self.merges: list[Pair] = []

    def pieces(self, text: str) -> Iterable[str]:
        """What no merge reaches across."""
        return pieces(text)

    def words(self, text: str) -> dict[Word, int]:
        """The pre-tokens as bytes, and how often each occurs."""
        return {single(p.encode()): n for p, n in Counter(self.pieces(text)).items()}

    def pairs(self, word: Word) -> Iterable[Pair]:
        """What is counted in one word: every pair of neighbours."""
        return pairwise(word)

    def counts(self, words: dict[Word, int]) -> dict[Pair, int]:
        """How often each pair occurs, in the order in which they are met."""
        found: dict[Pair, int] = {}
        for word, times in words.items():
            for pair in self.pairs(word):
                found[pair] = found.get(pair, 0) + times
        return found

    def best(self, counts: dict[Pair, int]) -> Pair:
        """The pair to merge."""
        return max(counts, key=lambda pair: (counts[pair], pair))

    def join(self, word: Word, pair: Pair) -> Word:
        """The word after the merge."""
        return join(word, pair)

    def steps(self, vocab_size: int) -> int:
        """How many merges there may be."""
        return vocab_size - 256

    def is_over(self, counts: dict[Pair, int]) -> bool:
        """Whether nothing is left to merge."""
        return not counts

    def train(self, text: str, vocab_size: int) -> list[Pair]:
        """The merges, first to last."""
        words = self.words(text)
        for _ in range(self.steps(vocab_size)):
            counts = self.counts(words)
            if self.is_over(counts):
                break
            pair = self.best(counts)
            self.merges.append(pair)
            joined: dict[Word, int] = {}
            for word, times in words.items():
                new = self.join(word, pair)
                joined[new] = joined.get(new, 0) + times
            words = joined
        return self.merges


@functools.lru_cache(maxsize=16)
def _tables(merges: Merges) -> tuple[dict[bytes, int], dict[Pair, int]]:
    """The id of each symbol, and the rank of each pair."""
    symbols = [bytes([b]) for b in byte_order()] + [left + right for left, right in merges]
    ids = {symbol: id for id, symbol in enumerate(symbols)}
    return ids, {pair: rank for rank, pair in enumerate(merges)}


class Tokenizer:
    """Encodes and decodes. Its methods are the steps of it."""

    def __init__(self, merges: Sequence[Pair], special_tokens: Sequence[str] = ()) -> None:
        self.merges = tuple(merges)
        self.special_tokens = list(special_tokens)
        self.ids, self.ranks = _tables(self.merges)
        self.first_special = 256 + len(self.merges)
        self.vocab_size = self.first_special + len(self.special_tokens)
        self.symbols = list(self.ids)
        self._known: dict[str, list[int]] = {}

    def pieces(self, text: str) -> Iterable[str]:
        """What no merge reaches across."""
        return pieces(text)

    def bytes_of(self, piece: str) -> Word:
        """The symbols that a pre-token begins as."""
        return single(piece.encode())

    def merged(self, word: Word) -> Word:
        """The word after all merges: always the earliest of those that there are."""
        while len(word) > 1:
            pair = min(
                pairwise(word),
                key=lambda pair: self.ranks.get(pair, len(self.ranks)),
            )
            if pair not in self.ranks:
                break
            word = join(word, pair)
        return word

    def id_of(self, symbol: bytes) -> int:
        """The id of a symbol."""
        return self.ids[symbol]

    def special_id(self, token: str) -> int:
        """The id of a special token."""
        return self.first_special + self.special_tokens.index(token)

    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        """Stretches of a text, and whether each is a special token: of several the longest."""
        longest = sorted(self.special_tokens, key=len, reverse=True)
        yield from _split(text, longest)

    def plain(self, text: str) -> list[int]:
        """The ids of a text without special tokens."""
        found = []
        for piece in self.pieces(text):
            ids = self._known.get(piece)
            if ids is None:
                ids = [self.id_of(symbol) for symbol in self.merged(self.bytes_of(piece))]
                self._known[piece] = ids
            found += ids
        return found

    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        """The ids of a text."""
        if not allow_special or not self.special_tokens:
            return self.plain(text)
        found = []
        for stretch, special in self.split(text):
            found += [self.special_id(stretch)] if special else self.plain(stretch)
        return found

    def bytes_of_id(self, id: int) -> bytes:
        """What an id stands for."""
        if id >= self.first_special:
            return self.special_tokens[id - self.first_special].encode()
        return self.symbols[id]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these ids."""
        return b"".join(map(self.bytes_of_id, ids)).decode("utf-8", "replace")

    def is_clear(self, text: str) -> bool:
        """Whether ranks of pairs and ranks of what they give (as tiktoken has them) agree on it."""
        return all(self._is_clear(self.bytes_of(piece)) for piece in set(self.pieces(text)))

    def _is_clear(self, word: Word) -> bool:
        whole = b"".join(word)
        merged = self.merged(word)
        if whole in self.ids:
            return len(merged) == 1
        while len(word) > 1:
            pairs = pairwise(word)
            pair = min(pairs, key=lambda pair: self.ids.get(pair[0] + pair[1], len(self.ids)))
            if pair[0] + pair[1] not in self.ids:
                break
            word = join(word, pair)
        return word == merged


def _split(text: str, tokens: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Stretches of a text. tokens: the special ones, those that go before others first."""
    pattern = "|".join(map(re.escape, tokens))
    for n, stretch in enumerate(re.split(f"({pattern})", text)):
        if stretch:
            yield stretch, n % 2 == 1


@functools.cache
def gpt2_tokenizer() -> Tokenizer:
    """GPT-2's own, with its end of text as the last id, 50256."""
    return Tokenizer(gpt2_merges(), ["<|endoftext|>"])
