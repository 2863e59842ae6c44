# verdict: pass
# style: of a review, t1 naive
from collections import Counter
from functools import lru_cache
import regex

PAT = regex.compile(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""")


def merge(symbols, pair):
    out = []
    i = 0
    while i < len(symbols):
        if i + 1 < len(symbols) and (symbols[i], symbols[i + 1]) == pair:
            out.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return tuple(out)


def train_bpe(text, vocab_size):
    if vocab_size < 256:
        raise ValueError("vocab_size must be at least 256")
    words = Counter(tuple(bytes([b]) for b in w.encode("utf-8")) for w in PAT.findall(text))
    merges = []
    while len(merges) < vocab_size - 256:
        pairs = Counter()
        for w, n in words.items():
            for p in zip(w, w[1:]):
                pairs[p] += n
        if not pairs:
            break
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        new = Counter()
        for w, n in words.items():
            new[merge(w, best)] += n
        words = new
    return merges


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        order = [*range(33, 127), *range(161, 173), *range(174, 256)]
        order += [b for b in range(256) if b not in order]
        self.tokens = [bytes([b]) for b in order] + [a + b for a, b in merges]
        self.ids = {t: i for i, t in enumerate(self.tokens)}
        self.ranks = {tuple(p): i for i, p in enumerate(merges)}
        self.special = {s: len(self.tokens) + i for i, s in enumerate(special_tokens)}
        self.tokens += [s.encode() for s in special_tokens]
        self.vocab_size = len(self.tokens)
        self.bpe = lru_cache(maxsize=50000)(self._bpe)
        self.split = None
        if self.special:
            longest = sorted(self.special, key=len, reverse=True)
            self.split = regex.compile("(" + "|".join(map(regex.escape, longest)) + ")")

    def _bpe(self, word):
        s = tuple(bytes([b]) for b in word.encode())
        while len(s) > 1:
            best = min(zip(s, s[1:]), key=lambda p: self.ranks.get(p, 1 << 60))
            if best not in self.ranks:
                break
            s = merge(s, best)
        return [self.ids[t] for t in s]

    def _plain(self, text):
        return [i for w in PAT.findall(text) for i in self.bpe(w)]

    def encode(self, text, *, allow_special=False):
        if not allow_special or self.split is None:
            return self._plain(text)
        out = []
        for piece in self.split.split(text):
            if piece in self.special:
                out.append(self.special[piece])
            else:
                out += self._plain(piece)
        return out

    def decode(self, ids):
        for i in ids:
            if not 0 <= i < self.vocab_size:
                raise ValueError(f"no token has the id {i}")
        return b"".join(self.tokens[i] for i in ids).decode(errors="replace")
