# verdict: pass
# style: of a review, t4 noregex
# no regex: a hand-written scanner with unicodedata
import unicodedata


def kind(c):
    if c.isspace():
        return "S"
    k = unicodedata.category(c)[0]
    return k if k in "LN" else "O"


def pretokens(text):
    i, n = 0, len(text)
    kinds = [kind(c) for c in text]
    while i < n:
        if text[i] == "'":
            two, three = text[i:i + 2], text[i:i + 3]
            if two in ("'s", "'t", "'m", "'d"):
                yield two
                i += 2
                continue
            if three in ("'re", "'ve", "'ll"):
                yield three
                i += 3
                continue
        j = i + 1 if text[i] == " " and i + 1 < n else i
        if kinds[j] != "S":
            k = kinds[j]
            e = j
            while e < n and kinds[e] == k:
                e += 1
        else:
            e = i
            while e < n and kinds[e] == "S":
                e += 1
            # leave the last space to what follows
            if e < n and e - i > 1:
                e -= 1
        yield text[i:e]
        i = e


def join(s, a, b):
    out = []
    for x in s:
        # `out[-1] is` original a: merged symbols get a wrapper
        if out and out[-1] == (a, False) and x == b:
            out[-1] = (a + b, True)
        else:
            out.append((x, False))
    return [x for x, _ in out]


def train_bpe(text, vocab_size):
    if vocab_size < 256:
        raise ValueError("the 256 bytes do not fit into vocab_size = %d" % vocab_size)
    words = {}
    for w in pretokens(text):
        words[w] = words.get(w, 0) + 1
    split = {w: [bytes([b]) for b in w.encode()] for w in words}
    result = []
    while len(result) != vocab_size - 256:
        n = {}
        for w, s in split.items():
            for i in range(len(s) - 1):
                n[s[i], s[i + 1]] = n.get((s[i], s[i + 1]), 0) + words[w]
        if not n:
            break
        (a, b) = sorted(n, key=lambda p: (-n[p], tuple(-x for x in p[0]) + (1,), tuple(-x for x in p[1]) + (1,)))[0]
        result.append((a, b))
        split = {w: join(s, a, b) for w, s in split.items()}
    return result


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        good = lambda b: 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b
        self.table = [bytes([b]) for b in sorted(range(256), key=lambda b: (not good(b), b))]
        for a, b in merges:
            self.table.append(a + b)
        self.id = {}
        for i, t in enumerate(self.table):
            self.id[t] = i
        self.merges = {m: i for i, m in enumerate(merges)}
        self.special = tuple(special_tokens)
        self.table.extend(s.encode() for s in special_tokens)
        self.vocab_size = len(self.table)
        self.memory = {}

    def encode(self, text, *, allow_special=False):
        out = []
        if allow_special:
            while True:
                found = [(text.find(s), -len(s), k) for k, s in enumerate(self.special) if s in text]
                if not found:
                    break
                at, _, k = min(found)
                out += self.encode(text[:at])
                out.append(len(self.table) - len(self.special) + k)
                text = text[at + len(self.special[k]):]
        for w in pretokens(text):
            if w not in self.memory:
                s = [bytes([b]) for b in w.encode()]
                while True:
                    fits = [self.merges[p] for p in zip(s, s[1:]) if p in self.merges]
                    if not fits:
                        break
                    best = min(fits)
                    for (a, b), i in self.merges.items():
                        if i == best:
                            break
                    s = join(s, a, b)
                self.memory[w] = [self.id[t] for t in s]
            out.extend(self.memory[w])
        return out

    def decode(self, ids):
        b = b""
        for i in ids:
            if i < 0:
                raise ValueError("negative id %d" % i)
            try:
                b += self.table[i]
            except IndexError:
                raise ValueError("id %d is too large" % i)
        return str(b, "utf-8", "replace")
