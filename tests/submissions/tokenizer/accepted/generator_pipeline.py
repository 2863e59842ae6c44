# verdict: pass
# style: generators chained to a pipeline; itertools; nothing is remembered between texts
import itertools as it
import operator
from collections import Counter

import regex


def pre_tokens(text):
    pattern = regex.compile(
        r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    )
    yield from (match.group().encode() for match in pattern.finditer(text))


def symbols_of(data):
    return tuple(data[n : n + 1] for n in range(len(data)))


def fused(symbols, pair):
    stream, made = iter(symbols), pair[0] + pair[1]
    held = next(stream, None)
    while held is not None:
        following = next(stream, None)
        if (held, following) == pair:
            yield made
            held = next(stream, None)
        else:
            yield held
            held = following


def train_bpe(text: str, vocab_size: int) -> list[tuple[bytes, bytes]]:
    if vocab_size < 256:
        raise ValueError("vocab_size is to be 256 or more")
    corpus = Counter(map(symbols_of, pre_tokens(text)))
    found = []
    for _ in range(vocab_size - 256):
        tally = Counter()
        for word, times in corpus.items():
            for pair in it.pairwise(word):
                tally[pair] += times
        if not tally:
            break
        best, _ = max(tally.items(), key=operator.itemgetter(1, 0))
        found.append(best)
        after = Counter()
        for word, times in corpus.items():
            after[tuple(fused(word, best))] += times
        corpus = after
    return found


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        shown = set(it.chain(range(33, 127), range(161, 173), range(174, 256)))
        order = sorted(range(256), key=lambda b: (b not in shown, b))
        self.rank = {tuple(pair): n for n, pair in enumerate(merges)}
        plain = [*(bytes([b]) for b in order), *(a + b for a, b in merges)]
        self.number = dict(zip(plain, it.count()))
        self.special = dict(zip(special_tokens, it.count(len(plain))))
        self.text = dict(enumerate([*plain, *(token.encode() for token in special_tokens)]))
        self.vocab_size = len(self.text)

    def _ordinary(self, text):
        for data in pre_tokens(text):
            symbols = symbols_of(data)
            while able := [pair for pair in it.pairwise(symbols) if pair in self.rank]:
                symbols = tuple(fused(symbols, min(able, key=self.rank.__getitem__)))
            yield from map(self.number.__getitem__, symbols)

    def _any(self, text):
        longest = sorted(self.special, key=len, reverse=True)
        pattern = regex.compile("|".join(map(regex.escape, longest)))
        end = 0
        for match in pattern.finditer(text):
            yield from self._ordinary(text[end : match.start()])
            yield self.special[match.group()]
            end = match.end()
        yield from self._ordinary(text[end:])

    def encode(self, text: str, *, allow_special: bool = False) -> list[int]:
        return list((self._any if allow_special and self.special else self._ordinary)(text))

    def decode(self, ids) -> str:
        try:
            return b"".join(self.text[n] for n in ids).decode(errors="replace")
        except KeyError as missing:
            raise ValueError(f"no token has the id {missing}") from None
