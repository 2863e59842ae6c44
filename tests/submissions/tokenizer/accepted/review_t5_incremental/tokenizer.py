# verdict: pass
# style: of a review, t5 incremental
"""Linked list over the whole text, heap of pairs with lazy deletion; encode via per-merge passes by rank loop."""
import heapq, regex
from collections import defaultdict
PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


class _Greatest:
    __slots__ = ("p",)
    def __init__(self, p): self.p = p
    def __lt__(self, o): return self.p > o.p


def train_bpe(text, vocab_size):
    if vocab_size < 256: raise ValueError("too small a vocab_size")
    words = defaultdict(int)
    for w in regex.findall(PATTERN, text): words[w.encode()] += 1
    seqs, weight = [], []
    for w, n in words.items():
        seqs.append([w[i:i+1] for i in range(len(w))]); weight.append(n)
    count = defaultdict(int); sites = defaultdict(set)
    for i, s in enumerate(seqs):
        for p in zip(s, s[1:]):
            count[p] += weight[i]; sites[p].add(i)
    heap = [(-n, _Greatest(p)) for p, n in count.items()]
    heapq.heapify(heap)
    merges = []
    while heap and len(merges) < vocab_size - 256:
        n, g = heapq.heappop(heap)
        p = g.p
        if count.get(p, 0) != -n or n == 0: continue
        merges.append(p)
        changed = set()
        for i in list(sites[p]):
            s, c = seqs[i], weight[i]
            for q in zip(s, s[1:]):
                count[q] -= c; changed.add(q)
            t = []; j = 0
            while j < len(s):
                if j < len(s) - 1 and s[j] == p[0] and s[j+1] == p[1]:
                    t.append(s[j] + s[j+1]); j += 2
                else:
                    t.append(s[j]); j += 1
            seqs[i] = t
            for q in zip(t, t[1:]):
                count[q] += c; sites[q].add(i); changed.add(q)
        for q in changed:
            if count[q] > 0: heapq.heappush(heap, (-count[q], _Greatest(q)))
    return merges


def make_tokenizer(merges, special_tokens):
    first = [*range(33, 127), *range(161, 173), *range(174, 256)]
    names = [bytes((b,)) for b in first + sorted({*range(256)} - {*first})]
    names += [a + b for a, b in merges]
    ids = dict(zip(names, range(len(names))))
    rank = {p: r for r, p in enumerate(merges)}
    texts = names + [s.encode() for s in special_tokens]
    special = {s: len(names) + i for i, s in enumerate(special_tokens)}

    def word(w):
        s = [w[i:i+1] for i in range(len(w))]
        while len(s) > 1:
            r, p = min(((rank.get(p, len(rank)), p) for p in zip(s, s[1:])))
            if r == len(rank): break
            t = s[:1]
            fresh = False
            for x in s[1:]:
                if not fresh and t[-1] == p[0] and x == p[1]: t[-1] += x; fresh = True
                else: t.append(x); fresh = False
            s = t
        return [ids[x] for x in s]

    memo = {}
    def plain(text):
        out = []
        for w in regex.findall(PATTERN, text):
            if len(w) < 20:
                if w not in memo: memo[w] = word(w.encode())
                out += memo[w]
            else: out += word(w.encode())
        return out

    def encode(text, allow_special):
        if not allow_special or not special: return plain(text)
        rx = regex.compile(r"\L<names>", names=list(special))
        out, at = [], 0
        while (m := rx.search(text, at)):
            # \L does not promise the longest: look for it
            s = max((s for s in special if text.startswith(s, m.start())), key=len)
            out += plain(text[at:m.start()]); out.append(special[s]); at = m.start() + len(s)
        return out + plain(text[at:])

    def decode(ids_):
        for i in ids_:
            if i < 0 or i >= len(texts): raise ValueError(f"id {i} is none of the {len(texts)}")
        return b"".join(texts[i] for i in ids_).decode("utf8", "replace")

    return encode, decode, len(texts)


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        self._encode, self._decode, self.vocab_size = make_tokenizer(list(merges), list(special_tokens))

    def encode(self, text, *, allow_special=False): return self._encode(text, allow_special)
    def decode(self, ids): return self._decode(ids)
