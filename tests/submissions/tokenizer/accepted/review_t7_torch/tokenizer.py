# verdict: pass
# style: of a review, t7 torch
"""Training on one long tensor of ids; -1 stands between pre-tokens."""
import torch
import regex

R = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def _replace(x, a, b, new):
    hit = (x[:-1] == a) & (x[1:] == b)
    at = hit.nonzero().flatten().tolist()
    keep = torch.ones(len(x), dtype=torch.bool)
    last = -2
    for i in at:
        if i > last + 1:
            x[i] = new
            keep[i + 1] = False
            last = i
    return x[keep]


def train_bpe(text, vocab_size):
    if vocab_size < 256:
        raise ValueError("vocab_size: 256 at least, got %r" % (vocab_size,))
    flat = []
    for w in R.findall(text):
        flat.extend(w.encode())
        flat.append(-1)
    x = torch.tensor(flat, dtype=torch.int64)
    names = [bytes([i]) for i in range(256)]
    merges = []
    while len(merges) < vocab_size - 256 and len(x) > 1:
        ok = (x[:-1] >= 0) & (x[1:] >= 0)
        code = x[:-1][ok] * 10**6 + x[1:][ok]
        if len(code) == 0:
            break
        values, counts = code.unique(return_counts=True)
        top = values[counts == counts.max()].tolist()
        a, b = max((divmod(v, 10**6) for v in top), key=lambda p: (names[p[0]], names[p[1]]))
        merges.append((names[a], names[b]))
        names.append(names[a] + names[b])
        x = _replace(x, a, b, len(names) - 1)
    return merges


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        order = [b for b in range(256) if chr(b).isprintable() and b != 32 and b != 160] 
        order += [b for b in range(256) if b not in order]
        self.names = [bytes([b]) for b in order] + [x + y for x, y in merges]
        self.lookup = {n: i for i, n in enumerate(self.names)}
        self.order = {}
        for i, (x, y) in enumerate(merges):
            self.order[x, y] = i
        self.base = len(self.names)
        self.special_tokens = list(special_tokens)
        self.vocab_size = self.base + len(self.special_tokens)

    def _pretoken(self, b):
        parts = [b[i:i + 1] for i in range(len(b))]
        while True:
            best, r = None, self.vocab_size
            for p in zip(parts, parts[1:]):
                q = self.order.get(p, r)
                if q < r:
                    best, r = p, q
            if best is None:
                return [self.lookup[p] for p in parts]
            new = []
            while parts:
                if tuple(parts[:2]) == best:
                    new.append(parts[0] + parts[1])
                    parts = parts[2:]
                else:
                    new.append(parts[0])
                    parts = parts[1:]
            parts = new

    def encode(self, text, *, allow_special=False):
        if allow_special:
            for s in sorted(self.special_tokens, key=lambda s: -len(s)):
                pass
            best = None
            pos = 0
            pieces = []
            import re
            if self.special_tokens:
                rx = re.compile("|".join(re.escape(s) for s in sorted(self.special_tokens, key=lambda s: -len(s))))
                for m in rx.finditer(text):
                    pieces.append((text[pos:m.start()], self.base + self.special_tokens.index(m.group())))
                    pos = m.end()
            out = []
            for t, i in pieces:
                out += self.encode(t) + [i]
            return out + self.encode(text[pos:])
        out = []
        for w in R.findall(text):
            out += self._pretoken(w.encode())
        return out

    def decode(self, ids):
        ids = list(ids)
        if ids and not (min(ids) >= 0 and max(ids) < self.vocab_size):
            raise ValueError("ids outside 0..%d" % (self.vocab_size - 1))
        buf = bytes()
        return buf.join(self.names[i] if i < self.base else self.special_tokens[i - self.base].encode() for i in ids).decode(errors="replace")
