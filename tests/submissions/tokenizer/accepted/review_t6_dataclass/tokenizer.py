# verdict: pass
# style: of a review, t6 dataclass
from __future__ import annotations
from collections import Counter
from dataclasses import dataclass, field, InitVar
from itertools import pairwise, chain
from typing import Sequence
import regex
from vocab import Vocab, byte_order

WORD = regex.compile(r"'(?:[stmd]|re|ve|ll)| ?(?:\p{L}+|\p{N}+|[^\s\p{L}\p{N}]+)|\s+(?!\S)|\s+", regex.V1)


class Word:
    """A pre-token while it is being merged."""

    def __init__(self, text: str) -> None:
        self.symbols = [bytes([b]) for b in text.encode()]

    def pairs(self):
        return pairwise(self.symbols)

    def merge(self, pair: tuple[bytes, bytes]) -> None:
        i = 0
        s = self.symbols
        while i < len(s) - 1:
            if s[i] == pair[0] and s[i + 1] == pair[1]:
                s[i:i + 2] = [s[i] + s[i + 1]]
            i += 1


def train_bpe(text: str, vocab_size: int) -> list[tuple[bytes, bytes]]:
    if vocab_size < 256:
        raise ValueError(f"{vocab_size=} must not be below 256")
    corpus = [(Word(w), n) for w, n in Counter(WORD.findall(text)).items()]

    def step():
        count: Counter = Counter()
        for word, n in corpus:
            for pair in word.pairs():
                count[pair] += n
        return max(((n, pair) for pair, n in count.items()), default=(0, None))[1]

    merges = []
    while len(merges) < vocab_size - 256 and (pair := step()) is not None:
        for word, _ in corpus:
            word.merge(pair)
        merges.append(pair)
    return merges


@dataclass(eq=False)
class BPETokenizer:
    merges: Sequence[tuple[bytes, bytes]]
    special_tokens: Sequence[str] = ()
    vocab: Vocab = field(init=False, default_factory=Vocab, repr=False)
    vocab_size: int = field(init=False)

    def __post_init__(self) -> None:
        for b in byte_order():
            self.vocab.add(bytes([b]))
        self.rank = {pair: self.vocab.add(b"".join(pair)) for pair in self.merges}
        self.index = dict(self.vocab.index)
        self.special = {s: self.vocab.add(s.encode()) for s in self.special_tokens}
        self.vocab_size = len(self.vocab)
        self._known: dict[str, tuple[int, ...]] = {}

    def _encode_word(self, text: str) -> tuple[int, ...]:
        if text not in self._known:
            word = Word(text)
            while fits := [p for p in word.pairs() if p in self.rank]:
                word.merge(min(fits, key=self.rank.__getitem__))
            self._known[text] = tuple(self.index[s] for s in word.symbols)
        return self._known[text]

    def encode(self, text: str, *, allow_special: bool = False) -> list[int]:
        if allow_special and self.special:
            names = sorted(self.special, reverse=True)  # a prefix comes after what it begins
            result: list[int] = []
            for i, part in enumerate(regex.split(f"({'|'.join(map(regex.escape, names))})", text)):
                result.extend([self.special[part]] if i % 2 else self.encode(part))
            return result
        return list(chain.from_iterable(self._encode_word(m.group()) for m in WORD.finditer(text)))

    def decode(self, ids: Sequence[int]) -> str:
        if any(i not in range(self.vocab_size) for i in ids):
            raise ValueError(f"ids must be from 0 to {self.vocab_size - 1}")
        return b"".join([self.vocab.tokens[i] for i in ids]).decode("utf-8", errors="replace")
