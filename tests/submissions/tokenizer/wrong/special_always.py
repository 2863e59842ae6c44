# verdict: fail
# part: Special tokens
# cause: special-always
# style: a heap of ranks over a doubly linked list of symbols; training with a heap and an index
import heapq
from collections import Counter, defaultdict
from functools import total_ordering

import regex

SPLIT = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", regex.V1)


@total_ordering
class Candidate:
    __slots__ = ("count", "pair")

    def __init__(self, count, pair):
        self.count, self.pair = count, pair

    def __eq__(self, other):
        return (self.count, self.pair) == (other.count, other.pair)

    def __lt__(self, other):
        return (self.count, self.pair) > (other.count, other.pair)


def train_bpe(text, vocab_size):
    if vocab_size < 256:
        raise ValueError("vocab_size")
    words, freqs = [], []
    for piece, freq in Counter(SPLIT.findall(text)).items():
        words.append([bytes([b]) for b in piece.encode()])
        freqs.append(freq)
    counts, places = Counter(), defaultdict(set)
    for w, (word, freq) in enumerate(zip(words, freqs)):
        for pair in zip(word, word[1:]):
            counts[pair] += freq
            places[pair].add(w)
    heap = [Candidate(c, p) for p, c in counts.items()]
    heapq.heapify(heap)
    merges = []
    while heap and len(merges) < vocab_size - 256:
        top = heapq.heappop(heap)
        if counts[top.pair] != top.count or top.count <= 0:
            continue
        merges.append(top.pair)
        a, b = top.pair
        changed = set()
        for w in places.pop(top.pair, ()):
            word, freq = words[w], freqs[w]
            for pair in zip(word, word[1:]):
                counts[pair] -= freq
                changed.add(pair)
            new, i = [], 0
            while i < len(word):
                if i + 1 < len(word) and word[i] == a and word[i + 1] == b:
                    new.append(a + b)
                    i += 2
                else:
                    new.append(word[i])
                    i += 1
            words[w] = new
            for pair in zip(new, new[1:]):
                counts[pair] += freq
                places[pair].add(w)
                changed.add(pair)
        for pair in changed:
            if counts[pair] > 0:
                heapq.heappush(heap, Candidate(counts[pair], pair))
    return merges


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        good = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
        bad = [b for b in range(0x100) if b not in set(good)]
        self.table = [bytes((b,)) for b in good + bad]
        self.start = {self.table[i][0]: i for i in range(256)}
        ids = {s: i for i, s in enumerate(self.table)}
        self.join = {}
        for left, right in merges:
            self.join[ids[left], ids[right]] = len(self.table)
            ids[left + right] = len(self.table)
            self.table.append(left + right)
        self.n_ordinary = len(self.table)
        self.special_ids = {}
        for token in special_tokens:
            self.special_ids[token] = len(self.table)
            self.table.append(token.encode("utf-8"))
        self.vocab_size = len(self.table)

    def _piece(self, data):
        sym = [self.start[b] for b in data]
        nxt = list(range(1, len(sym))) + [-1]
        prv = list(range(-1, len(sym) - 1))
        heap = []

        def offer(i):
            j = nxt[i]
            if j != -1 and (sym[i], sym[j]) in self.join:
                heapq.heappush(heap, (self.join[sym[i], sym[j]], i, sym[i], sym[j]))

        for i in range(len(sym) - 1):
            offer(i)
        while heap:
            new, i, left, right = heapq.heappop(heap)
            j = nxt[i] if sym[i] is not None else -1
            if j == -1 or sym[i] != left or sym[j] != right:
                continue
            sym[i], sym[j] = new, None
            nxt[i] = nxt[j]
            if nxt[i] != -1:
                prv[nxt[i]] = i
            if prv[i] != -1:
                offer(prv[i])
            offer(i)
        return [s for s in sym if s is not None]

    def _text(self, text):
        for m in SPLIT.finditer(text):
            yield from self._piece(m.group().encode("utf-8"))

    def encode(self, text, *, allow_special=False):
        if not self.special_ids:
            return list(self._text(text))
        finder = regex.compile("|".join(regex.escape(s) for s in sorted(self.special_ids, key=len)[::-1]))
        out, at = [], 0
        for m in finder.finditer(text):
            out.extend(self._text(text[at : m.start()]))
            out.append(self.special_ids[m.group()])
            at = m.end()
        out.extend(self._text(text[at:]))
        return out

    def decode(self, ids):
        ids = list(ids)
        if any(i < 0 or i >= len(self.table) for i in ids):
            raise ValueError("id out of range")
        return b"".join(map(self.table.__getitem__, ids)).decode(errors="replace")
