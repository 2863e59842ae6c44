# verdict: fail
# part: Encoding
# cause: remembers-wrongly
# style: a memo of words; the first answer is a copy, the list itself comes back from the second on
from collections import Counter
import regex

PAT = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def join(parts, a, b):
    out, i = [], 0
    while i < len(parts):
        if i + 1 < len(parts) and parts[i] == a and parts[i + 1] == b:
            out.append(a + b)
            i += 2
        else:
            out.append(parts[i])
            i += 1
    return tuple(out)


def train_bpe(text, vocab_size):
    if vocab_size < 256:
        raise ValueError(f"vocab_size is {vocab_size}, at least the 256 bytes are needed")
    words = Counter(PAT.findall(text))
    words = {tuple(bytes([c]) for c in w.encode()): n for w, n in words.items()}
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
            new[join(w, *best)] += n
        words = new
    return merges


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        order = [*range(33, 127), *range(161, 173), *range(174, 256)]
        order += [i for i in range(256) if i not in order]
        self.words = [bytes([i]) for i in order]
        self.words += [a + b for a, b in merges]
        self.ids = {w: i for i, w in enumerate(self.words)}
        self.rank = {tuple(m): i for i, m in enumerate(merges)}
        self.special = {s: len(self.words) + i for i, s in enumerate(special_tokens)}
        self.words += [s.encode() for s in special_tokens]
        self.vocab_size = len(self.words)
        self.memo = {}
        longest_first = sorted(self.special, key=len, reverse=True)
        self.cut = (
            regex.compile("|".join(map(regex.escape, longest_first))) if longest_first else None
        )

    def _word(self, w):
        if w not in self.memo:
            parts = tuple(bytes([c]) for c in w.encode())
            while len(parts) > 1:
                best = min(zip(parts, parts[1:]), key=lambda p: self.rank.get(p, 1 << 60))
                if best not in self.rank:
                    break
                parts = join(parts, *best)
            self.memo[w] = [self.ids[p] for p in parts]
            return list(self.memo[w])
        return self.memo[w]

    def _plain(self, text):
        ws = PAT.findall(text)
        return self._word(ws[0]) if len(ws) == 1 else [i for w in ws for i in self._word(w)]

    def encode(self, text, *, allow_special=False):
        if not allow_special or self.cut is None:
            return self._plain(text)
        out, at = [], 0
        for m in self.cut.finditer(text):
            out += self._plain(text[at : m.start()])
            out.append(self.special[m.group()])
            at = m.end()
        return out + self._plain(text[at:])

    def decode(self, ids):
        buf = bytearray()
        for i in ids:
            if not 0 <= i < self.vocab_size:
                raise ValueError(f"there is no id {i}")
            buf += self.words[i]
        return buf.decode("utf-8", errors="replace")
