# verdict: pass
# style: functools.lru_cache on a method, merges one place at a time over integers
from functools import lru_cache

import regex

CUT = regex.compile(
    r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
)
FIRST = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
ORDER = bytes(FIRST + sorted(set(range(256)) - set(FIRST)))


def train_bpe(text, vocab_size):
    if vocab_size < 256:
        raise ValueError(f"{vocab_size} is less than the 256 bytes")
    words = {}
    for piece in CUT.findall(text):
        words[piece] = words.get(piece, 0) + 1
    split = {piece: tuple(bytes((b,)) for b in piece.encode()) for piece in words}
    merges = []
    for _ in range(vocab_size - 256):
        counts = {}
        for piece, symbols in split.items():
            for pair in zip(symbols, symbols[1:]):
                counts[pair] = counts.get(pair, 0) + words[piece]
        if not counts:
            break
        top = max(counts.values())
        pair = max(p for p, n in counts.items() if n == top)
        merges.append(pair)
        for piece, symbols in split.items():
            if pair[0] in symbols and pair[1] in symbols:
                out, n = [], 0
                while n < len(symbols):
                    if symbols[n : n + 2] == pair:
                        out.append(pair[0] + pair[1])
                        n += 2
                    else:
                        out.append(symbols[n])
                        n += 1
                split[piece] = tuple(out)
    return merges


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        self.tokens = [ORDER[n : n + 1] for n in range(256)]
        number = {token: n for n, token in enumerate(self.tokens)}
        self.rules = {}
        for left, right in merges:
            self.rules[number[left], number[right]] = len(self.tokens)
            number[left + right] = len(self.tokens)
            self.tokens.append(left + right)
        self.specials = {}
        for token in special_tokens:
            self.specials[token] = len(self.tokens)
            self.tokens.append(token.encode())
        self.vocab_size = len(self.tokens)
        self.byte = {b: n for n, b in enumerate(ORDER)}

    @lru_cache(maxsize=4096)
    def _word(self, piece):
        ids = [self.byte[b] for b in piece.encode()]
        while True:
            made = [(self.rules[pair], n) for n, pair in enumerate(zip(ids, ids[1:]))
                    if pair in self.rules]
            if not made:
                return tuple(ids)
            new, n = min(made)
            ids[n : n + 2] = [new]

    def encode(self, text, *, allow_special=False):
        out = []
        for part, special in self._parts(text) if allow_special else [(text, False)]:
            if special:
                out.append(self.specials[part])
            else:
                for piece in CUT.findall(part):
                    out += self._word(piece)
        return out

    def _parts(self, text):
        """Stretches of text and special tokens, by looking at every place."""
        start = n = 0
        longest_first = sorted(self.specials, key=len, reverse=True)
        while n < len(text):
            found = next((s for s in longest_first if text.startswith(s, n)), None)
            if found is None:
                n += 1
                continue
            yield text[start:n], False
            yield found, True
            start = n = n + len(found)
        yield text[start:], False

    def decode(self, ids):
        ids = list(ids)
        if any(i < 0 or i >= self.vocab_size for i in ids):
            raise ValueError(f"unknown id in {ids[:10]}")
        return bytes().join(map(self.tokens.__getitem__, ids)).decode("utf8", "replace")
