# verdict: fail
# part: Special tokens
# cause: special-not-longest
# style: no regular expression: a scanner over unicodedata categories
import unicodedata

SPACES = set("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {chr(c) for c in range(0x2000, 0x200B)}
SUFFIXES = ("s", "t", "re", "ve", "m", "ll", "d")


def char_class(c):
    if c in SPACES:
        return "space"
    major = unicodedata.category(c)[0]
    if major == "L":
        return "letter"
    if major == "N":
        return "number"
    return "other"


def pretokenize(text):
    out = []
    n = len(text)
    i = 0
    while i < n:
        if text[i] == "'":
            for suffix in SUFFIXES:
                if text.startswith(suffix, i + 1):
                    out.append("'" + suffix)
                    break
            else:
                suffix = None
            if suffix is not None:
                i += 1 + len(suffix)
                continue
        j = i
        if text[i] == " " and i + 1 < n and char_class(text[i + 1]) != "space":
            j = i + 1
        kind = char_class(text[j])
        if kind != "space":
            k = j
            while k < n and char_class(text[k]) == kind:
                k += 1
            out.append(text[i:k])
            i = k
            continue
        k = i
        while k < n and char_class(text[k]) == "space":
            k += 1
        if k < n and k - i > 1:
            k -= 1
        out.append(text[i:k])
        i = k
    return out


def apply(word, a, b):
    i = 0
    while i + 1 < len(word):
        if word[i] == a and word[i + 1] == b:
            word[i] = a + b
            del word[i + 1]
        i += 1


def train_bpe(text, vocab_size):
    if vocab_size < 256:
        raise ValueError("too small")
    words = [[bytes([b]) for b in p.encode("utf-8")] for p in pretokenize(text)]
    merges = []
    for _ in range(vocab_size - 256):
        count = {}
        for w in words:
            for k in range(len(w) - 1):
                count[(w[k], w[k + 1])] = count.get((w[k], w[k + 1]), 0) + 1
        best = None
        for pair, c in count.items():
            if best is None or c > count[best] or (c == count[best] and pair > best):
                best = pair
        if best is None:
            break
        merges.append(best)
        for w in words:
            apply(w, *best)
    return merges


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        self.rank = {}
        self.tokens = []
        for lo, hi in ((33, 127), (161, 173), (174, 256), (0, 33), (127, 161), (173, 174)):
            self.tokens += [bytes([b]) for b in range(lo, hi)]
        for r, (a, b) in enumerate(merges):
            self.rank[a, b] = r
            self.tokens.append(a + b)
        self.index = {t: i for i, t in enumerate(self.tokens)}
        self.special = list(special_tokens)
        self.vocab_size = len(self.tokens) + len(self.special)

    def encode(self, text, *, allow_special=False):
        ids = []
        plain_from = 0
        i = 0
        while allow_special and i < len(text):
            best = min((s for s in self.special if text.startswith(s, i)), key=len, default=None)
            if best is None:
                i += 1
                continue
            self._plain(text[plain_from:i], ids)
            ids.append(len(self.tokens) + self.special.index(best))
            i += len(best)
            plain_from = i
        self._plain(text[plain_from:], ids)
        return ids

    def _plain(self, text, ids):
        for piece in pretokenize(text):
            word = [bytes([b]) for b in piece.encode("utf-8")]
            while True:
                ranked = [self.rank[p] for p in zip(word, word[1:]) if p in self.rank]
                if not ranked:
                    break
                r = min(ranked)
                a, b = next(p for p in zip(word, word[1:]) if self.rank.get(p) == r)
                apply(word, a, b)
            for t in word:
                ids.append(self.index[t])

    def decode(self, ids):
        data = b""
        parts = []
        for i in ids:
            if i < 0 or i >= self.vocab_size:
                raise ValueError("bad id")
            if i < len(self.tokens):
                parts.append(self.tokens[i])
            else:
                parts.append(self.special[i - len(self.tokens)].encode("utf-8"))
        return data.join(parts).decode("utf-8", "replace")
