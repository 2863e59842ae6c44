# verdict: pass
# style: words as texts with spaces between symbols, merged by regular expressions, as the first BPE script
import collections
import re as _re

import regex


def _table():
    keep = [i for i in range(256) if 33 <= i <= 126 or 161 <= i <= 172 or 174 <= i <= 255]
    extra = iter(range(256, 512))
    chars = {b: chr(b) if b in keep else None for b in range(256)}
    for b in range(256):
        if chars[b] is None:
            chars[b] = chr(next(extra))
    return chars


B2U = _table()
U2B = {u: b for b, u in B2U.items()}
ORDER = sorted(B2U, key=lambda b: B2U[b])
PRETOKEN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{Letter}+| ?\p{Number}+| ?[^\s\p{Letter}\p{Number}]+|\s+(?!\S)|\s+"


def spaced(piece):
    return " ".join(B2U[b] for b in piece.encode("utf-8"))


def unspaced(symbol):
    return bytes(U2B[c] for c in symbol)


def get_stats(vocab):
    pairs = collections.defaultdict(int)
    for word, freq in vocab.items():
        symbols = word.split(" ")
        for i in range(len(symbols) - 1):
            pairs[symbols[i], symbols[i + 1]] += freq
    return pairs


def merge_vocab(pair, v_in):
    p = _re.compile(r"(?<!\S)" + _re.escape(" ".join(pair)) + r"(?!\S)")
    v_out = collections.Counter()
    for word, freq in v_in.items():
        v_out[p.sub(lambda _: "".join(pair), word)] += freq
    return v_out


def train_bpe(text, vocab_size):
    if vocab_size < 256:
        raise ValueError("vocab_size below 256")
    vocab = collections.Counter(map(spaced, regex.findall(PRETOKEN, text)))
    merges = []
    for _ in range(256, vocab_size):
        pairs = get_stats(vocab)
        if not pairs:
            break
        best = max(pairs, key=lambda p: (pairs[p], unspaced(p[0]), unspaced(p[1])))
        vocab = merge_vocab(best, vocab)
        merges.append((unspaced(best[0]), unspaced(best[1])))
    return merges


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        text = lambda data: "".join(B2U[b] for b in data)
        self._merges = [(text(a), text(b)) for a, b in merges]
        names = [B2U[b] for b in ORDER] + [a + b for a, b in self._merges]
        self._id = dict(zip(names, range(len(names))))
        self._name = names
        self._rank = {pair: i for i, pair in enumerate(self._merges)}
        self._special = list(special_tokens)
        self._done = {}

    def __getattr__(self, name):
        if name == "vocab_size":
            return len(self._name) + len(self._special)
        raise AttributeError(name)

    def _bpe(self, piece):
        if piece in self._done:
            return self._done[piece]
        word = spaced(piece)
        while True:
            symbols = word.split(" ")
            here = [p for p in zip(symbols, symbols[1:]) if p in self._rank]
            if not here:
                break
            (word,) = merge_vocab(min(here, key=self._rank.get), {word: 1})
        return self._done.setdefault(piece, [self._id[s] for s in symbols])

    def encode(self, text, *, allow_special=False):
        out = []
        if allow_special and self._special:
            longest_first = sorted(self._special, key=len, reverse=True)
            found = regex.search("|".join(regex.escape(s) for s in longest_first), text)
            parts = []
            while found:
                parts.append((text[: found.start()], found.group()))
                text = text[found.end() :]
                found = regex.search("|".join(regex.escape(s) for s in longest_first), text)
            for before, token in parts:
                out += self.encode(before)
                out.append(len(self._name) + self._special.index(token))
        for piece in regex.findall(PRETOKEN, text):
            out.extend(self._bpe(piece))
        return out

    def decode(self, ids):
        data = []
        for i in ids:
            if not isinstance(i, int) or i < 0 or i >= self.vocab_size:
                raise ValueError(f"{i} is no id")
            if i < len(self._name):
                data.extend(U2B[c] for c in self._name[i])
            else:
                data.extend(self._special[i - len(self._name)].encode())
        return bytes(data).decode("utf-8", errors="replace")
