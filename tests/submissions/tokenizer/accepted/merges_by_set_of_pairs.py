# verdict: pass
# style: pairs of a word as a set, met with those that merge; special tokens found one after the other
import collections
import re

import regex

CUTS = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)


def _pairs(word):
    return list(zip(word[:-1], word[1:]))


def _apply(word, pair):
    out = []
    for symbol in word:
        if out and (out[-1], symbol) == pair and out[-1] is not _apply.fresh:
            _apply.fresh = pair[0] + pair[1]
            out[-1] = _apply.fresh
        else:
            out.append(symbol)
    _apply.fresh = None
    return out


_apply.fresh = None


def train_bpe(text, vocab_size):
    if not vocab_size >= 256:
        raise ValueError("vocab_size must be 256 or more")
    words = [
        ([bytes([b]) for b in piece.encode()], n)
        for piece, n in collections.Counter(CUTS.findall(text)).items()
    ]
    merges = []
    while len(merges) < vocab_size - 256:
        counts = collections.Counter()
        for word, n in words:
            for pair in _pairs(word):
                counts[pair] += n
        if not counts:
            break
        merges.append(max(counts, key=lambda pair: (counts[pair], pair)))
        words = [(_apply(word, merges[-1]), n) for word, n in words]
    return merges


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        first = [b for b in range(256) if b in range(33, 127) or b > 160 and b != 173]
        every = [bytes([b]) for b in first + [b for b in range(256) if b not in first]]
        self.order = {}
        for n, pair in enumerate(merges):
            self.order.setdefault(tuple(pair), n)
            every.append(pair[0] + pair[1])
        self.ids = {symbol: n for n, symbol in enumerate(every)}
        self.special = dict(zip(special_tokens, range(len(every), len(every) + 10**9)))
        self.bytes_of = every + [token.encode() for token in special_tokens]
        self.vocab_size = len(self.bytes_of)
        self.seen = {}

    def word(self, piece):
        if piece not in self.seen:
            word = [bytes([b]) for b in piece.encode()]
            while possible := set(_pairs(word)) & self.order.keys():
                word = _apply(word, min(possible, key=self.order.get))
            self.seen[piece] = [self.ids[symbol] for symbol in word]
        return self.seen[piece]

    def encode(self, text, *, allow_special=False):
        if allow_special and self.special:
            tokens = sorted(self.special, key=lambda token: -len(token))
            found = re.search("|".join(re.escape(token) for token in tokens), text)
            ids = []
            while found:
                ids += self.encode(text[: found.start()]) + [self.special[found.group()]]
                text = text[found.end() :]
                found = re.search("|".join(re.escape(token) for token in tokens), text)
            return ids + self.encode(text)
        return [n for piece in CUTS.findall(text) for n in self.word(piece)]

    def decode(self, ids):
        wrong = [n for n in ids if n < 0 or n >= self.vocab_size]
        if wrong:
            raise ValueError(f"no such ids: {wrong}")
        return b"".join([self.bytes_of[n] for n in ids]).decode("utf-8", errors="replace")
