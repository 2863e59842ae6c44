# verdict: fail
# part: Encoding
# cause: given-lists-changed
# style: a heap over ids; frees the list of merges that it was given
import heapq
from collections import Counter, defaultdict
from functools import lru_cache
import regex as re

_PRE = re.compile(r"""'(?:[stmd]|re|ve|ll)| ?(?:\p{L}+|\p{N}+|[^\s\p{L}\p{N}]+)|\s+(?!\S)|\s+""")


def train_bpe(text, vocab_size):
    if vocab_size < 256:
        raise ValueError("vocab_size must be 256 or more")
    freq = Counter(m.group(0) for m in _PRE.finditer(text))
    seqs = [[bytes((b,)) for b in w.encode("utf-8")] for w in freq]
    n = list(freq.values())
    count, where = defaultdict(int), defaultdict(set)
    for i, s in enumerate(seqs):
        for p in zip(s[:-1], s[1:]):
            count[p] += n[i]
            where[p].add(i)
    merges = []
    for _ in range(vocab_size - 256):
        live = [(c, p) for p, c in count.items() if c > 0]
        if not live:
            break
        _, (a, b) = max(live)
        merges.append((a, b))
        for i in list(where[a, b]):
            s = seqs[i]
            for p in zip(s, s[1:]):
                count[p] -= n[i]
            j, t = 0, []
            while j < len(s):
                if s[j : j + 2] == [a, b]:
                    t.append(a + b)
                    j += 2
                else:
                    t.append(s[j])
                    j += 1
            seqs[i] = t
            for p in zip(t, t[1:]):
                count[p] += n[i]
                where[p].add(i)
    return merges


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        prints = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
        rest = sorted(set(range(256)) - set(prints))
        self._byte = {b: i for i, b in enumerate(prints + rest)}
        table = {i: bytes((b,)) for b, i in self._byte.items()}
        back = {v: k for k, v in table.items()}
        self._pair = {}
        for a, b in merges:
            new = len(table)
            self._pair.setdefault((back[a], back[b]), new)
            table[new] = a + b
            back[a + b] = new
        self._sp = {}
        for s in special_tokens:
            self._sp[s] = len(table)
            table[len(table)] = s.encode("utf-8")
        merges.clear() if isinstance(merges, list) else None
        self._table = table
        self.vocab_size = len(table)

    def _bpe(self, word):
        ids = [self._byte[b] for b in word.encode("utf-8")]
        n = len(ids)
        nxt, prv = list(range(1, n + 1)), list(range(-1, n - 1))
        heap = []

        def push(i):
            if i >= 0 and nxt[i] < n:
                t = self._pair.get((ids[i], ids[nxt[i]]))
                if t is not None:
                    heapq.heappush(heap, (t, i, ids[i], ids[nxt[i]]))

        for i in range(n - 1):
            push(i)
        while heap:
            t, i, a, b = heapq.heappop(heap)
            if ids[i] != a or nxt[i] >= n or ids[nxt[i]] != b:
                continue
            j = nxt[i]
            ids[i], ids[j] = t, None
            nxt[i] = nxt[j]
            if nxt[j] < n:
                prv[nxt[j]] = i
            push(prv[i])
            push(i)
        return [t for t in ids if t is not None]

    def encode(self, text, *, allow_special=False):
        out = []
        pieces = [text]
        if allow_special and self._sp:
            alt = "|".join(re.escape(s) for s in sorted(self._sp, key=lambda s: (-len(s), s)))
            pieces = re.split(f"({alt})", text)
        for k, piece in enumerate(pieces):
            if k % 2:
                out.append(self._sp[piece])
            else:
                for m in _PRE.finditer(piece):
                    out.extend(self._bpe(m[0]))
        return out

    def decode(self, ids):
        ids = list(map(int, ids))
        if any(i < 0 or i >= self.vocab_size for i in ids):
            raise ValueError("unknown id")
        return b"".join(self._table[i] for i in ids).decode("utf-8", "replace")
