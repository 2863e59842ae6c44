# verdict: pass
# style: symbols are strings of Latin-1 characters, one for each byte; str.replace on a private separator
import re
from collections import defaultdict

import regex

_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_BAR = "\u2502"  # stands between symbols, and is no Latin-1 character


def _bars(piece):
    return _BAR + _BAR.join(piece.encode("utf-8").decode("latin-1")) + _BAR


def _joined(word, left, right):
    """Neighbours left and right made one, from left to right."""
    rule = re.escape(_BAR + left + _BAR + right) + f"(?={_BAR})"
    return re.sub(rule, lambda _: _BAR + left + right, word)


def _bytes(symbol):
    return symbol.encode("latin-1")


def train_bpe(text: str, vocab_size: int):
    if vocab_size < 256:
        raise ValueError("a vocabulary has 256 bytes at least")
    counts = defaultdict(int)
    for piece in regex.findall(_PATTERN, text):
        counts[_bars(piece)] += 1
    merges = []
    while len(merges) + 256 < vocab_size:
        pairs = defaultdict(int)
        for word, count in counts.items():
            symbols = word.strip(_BAR).split(_BAR)
            for left, right in zip(symbols, symbols[1:]):
                pairs[left, right] += count
        if not pairs:
            return merges
        left, right = max(pairs, key=lambda p: (pairs[p], *map(_bytes, p)))
        merges.append((_bytes(left), _bytes(right)))
        merged = defaultdict(int)
        for word, count in counts.items():
            merged[_joined(word, left, right)] += count
        counts = merged
    return merges


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
        order = visible + [b for b in range(256) if b not in set(visible)]
        names = [chr(b) for b in order]
        self._merges = {}
        for rank, (left, right) in enumerate(merges):
            pair = left.decode("latin-1"), right.decode("latin-1")
            self._merges[pair] = rank
            names.append("".join(pair))
        self._id = {}
        for n, name in enumerate(names):
            self._id[name] = n
        self._specials = list(special_tokens)
        self._bytes = [*map(_bytes, names), *(s.encode() for s in self._specials)]
        self._memo = {}

    @property
    def vocab_size(self):
        return len(self._bytes)

    def _piece(self, piece):
        known = self._memo.get(piece)
        if known is None:
            word = _bars(piece)
            while True:
                symbols = word.strip(_BAR).split(_BAR)
                able = [pair for pair in zip(symbols, symbols[1:]) if pair in self._merges]
                if not able:
                    break
                word = _joined(word, *min(able, key=self._merges.get))
            known = self._memo[piece] = [self._id[symbol] for symbol in symbols]
        return known

    def encode(self, text, *, allow_special=False):
        rest = [text]
        if allow_special and self._specials:
            choices = "|".join(map(re.escape, sorted(self._specials, key=len)[::-1]))
            rest = re.split(f"({choices})", text)
        base = len(self._bytes) - len(self._specials)
        ids = []
        for n, part in enumerate(rest):
            if n % 2:
                ids.append(base + self._specials.index(part))
                continue
            for piece in regex.findall(_PATTERN, part):
                ids.extend(self._piece(piece))
        return ids

    def decode(self, ids):
        out = bytearray()
        for n in ids:
            if n not in range(self.vocab_size):
                raise ValueError(f"there is no id {n}")
            out += self._bytes[n]
        return str(out, "utf-8", "replace")
