# verdict: pass
# style: bytes.translate to GPT-2's order at once; ids of bytes are what is merged; recursion on the best pair
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import regex as re

_PIECE = re.compile(r"'(?:s|t|re|ve|m|ll|d)|[ ]?\p{L}+|[ ]?\p{N}+|[ ]?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
_ORDER = bytes(sorted(range(256), key=lambda b: (not (33 <= b <= 126 or 161 <= b <= 172 or b >= 174), b)))
_TO_ID = bytes(_ORDER.index(b) for b in range(256))


def _merge(word: list, left, right, joined) -> list:
    if left not in word:
        return word
    at = word.index(left)
    if at + 1 < len(word) and word[at + 1] == right:
        head, tail = word[:at] + [joined], word[at + 2 :]
    else:
        head, tail = word[: at + 1], word[at + 1 :]
    while tail:
        if tail[0] == left and tail[1:2] == [right]:
            head.append(joined)
            tail = tail[2:]
        else:
            head.append(tail[0])
            tail = tail[1:]
    return head


def train_bpe(text: str, vocab_size: int) -> list[tuple[bytes, bytes]]:
    """Merges."""
    if vocab_size < 256:
        raise ValueError("vocab_size")
    table = Counter(_PIECE.findall(text))
    words = {piece: [bytes((b,)) for b in piece.encode()] for piece in table}
    merges: list[tuple[bytes, bytes]] = []

    def step(room: int) -> bool:
        pairs: Counter = Counter()
        for piece, word in words.items():
            for pair in zip(word, word[1:]):
                pairs.update({pair: table[piece]})
        if not pairs or not room:
            return False
        ranked = sorted(pairs, reverse=True)
        ranked.sort(key=pairs.__getitem__, reverse=True)
        left, right = ranked[0]
        merges.append((left, right))
        for piece, word in words.items():
            words[piece] = _merge(word, left, right, left + right)
        return True

    while step(vocab_size - 256 - len(merges)):
        pass
    return merges


class BPETokenizer:
    """Text to ids and back."""

    vocab_size: int

    def __init__(self, merges: Sequence[tuple[bytes, bytes]], special_tokens: Sequence[str] = ()) -> None:
        self._by_id: dict[int, bytes] = {i: bytes((b,)) for i, b in enumerate(_ORDER)}
        id_of = {v: k for k, v in self._by_id.items()}
        self._pairs: dict[tuple[int, int], int] = {}
        for n, (a, b) in enumerate(merges, start=256):
            self._pairs[id_of[a], id_of[b]] = n
            self._by_id[n] = a + b
            id_of[a + b] = n
        self._special: dict[str, int] = {}
        for token in special_tokens:
            self._special[token] = len(self._by_id)
            self._by_id[len(self._by_id)] = token.encode("utf-8")
        self.vocab_size = len(self._by_id)
        self._memo: dict[str, tuple[int, ...]] = {}

    def _reduce(self, word: list[int]) -> list[int]:
        fits = [self._pairs[p] for p in zip(word, word[1:]) if p in self._pairs]
        if not fits:
            return word
        new = min(fits)
        left, right = next(p for p in zip(word, word[1:]) if self._pairs.get(p) == new)
        return self._reduce(_merge(word, left, right, new))

    def encode(self, text: str, *, allow_special: bool = False) -> list[int]:
        """Ids."""
        if allow_special and self._special:
            for token in sorted(self._special, key=len, reverse=True):
                before, found, after = text.partition(token)
                if found:
                    left = self.encode(before, allow_special=True)
                    return [*left, self._special[token], *self.encode(after, allow_special=True)]
        ids: list[int] = []
        for match in _PIECE.finditer(text):
            piece = match.group()
            if piece not in self._memo:
                self._memo[piece] = tuple(self._reduce(list(piece.encode("utf-8").translate(_TO_ID))))
            ids.extend(self._memo[piece])
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text."""
        if not all(id in self._by_id for id in ids):
            raise ValueError("unknown id")
        return b"".join([self._by_id[id] for id in ids]).decode("utf-8", errors="replace")
