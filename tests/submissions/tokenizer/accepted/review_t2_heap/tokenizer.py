# verdict: pass
# style: of a review, t2 heap
"""Heap and linked list: n log n in a word. Pairs merge rank by rank, left to right."""
from __future__ import annotations
import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
import regex as re

_SPLIT = re.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)
_PRINTABLE: list[int] = list(range(ord("!"), ord("~") + 1)) + list(range(ord("¡"), ord("¬") + 1)) + list(range(ord("®"), ord("ÿ") + 1))
_BYTE_ORDER: list[int] = _PRINTABLE + sorted(set(range(256)) - set(_PRINTABLE))
_BYTE_TO_ID: list[int] = [_BYTE_ORDER.index(b) for b in range(256)]


def train_bpe(text: str, vocab_size: int) -> list[tuple[bytes, bytes]]:
    if vocab_size < 256:
        raise ValueError(f"vocab_size is {vocab_size}; 256 bytes are in every vocabulary")
    counts: dict[str, int] = defaultdict(int)
    for m in _SPLIT.finditer(text):
        counts[m.group()] += 1
    words: list[list[bytes]] = []
    freq: list[int] = []
    for w, n in counts.items():
        words.append([bytes((b,)) for b in w.encode("utf-8")])
        freq.append(n)
    pairs: dict[tuple[bytes, bytes], int] = defaultdict(int)
    where: dict[tuple[bytes, bytes], set[int]] = defaultdict(set)
    for i, w in enumerate(words):
        for p in zip(w, w[1:]):
            pairs[p] += freq[i]
            where[p].add(i)
    merges: list[tuple[bytes, bytes]] = []
    while len(merges) + 256 < vocab_size and pairs:
        top = max(pairs.values())
        best = max(p for p, n in pairs.items() if n == top)
        merges.append(best)
        for i in where.pop(best):
            w, n = words[i], freq[i]
            for p in zip(w, w[1:]):
                pairs[p] -= n
                if not pairs[p]:
                    del pairs[p]
                if p != best:
                    where[p].discard(i)
            new, j = [], 0
            while j < len(w):
                if w[j : j + 2] == list(best):
                    new.append(best[0] + best[1])
                    j += 2
                else:
                    new.append(w[j])
                    j += 1
            words[i] = new
            for p in zip(new, new[1:]):
                pairs[p] += n
                where[p].add(i)
    return merges


class BPETokenizer:
    vocab_size: int

    def __init__(self, merges: Sequence[tuple[bytes, bytes]], special_tokens: Sequence[str] = ()) -> None:
        self._bytes: dict[int, bytes] = {i: bytes((b,)) for i, b in enumerate(_BYTE_ORDER)}
        ids = {v: k for k, v in self._bytes.items()}
        self._rank: dict[tuple[int, int], tuple[int, int]] = {}
        pending = []
        for r, (a, b) in enumerate(merges):
            ids[a + b] = 256 + r
            self._bytes[256 + r] = a + b
        for r, (a, b) in enumerate(merges):
            if a in ids and b in ids:
                self._rank[ids[a], ids[b]] = (r, 256 + r)
        self._special = {s: 256 + len(merges) + i for i, s in enumerate(special_tokens)}
        for s, i in self._special.items():
            self._bytes[i] = s.encode("utf-8")
        self.vocab_size = len(self._bytes)

    def _word(self, ids: list[int]) -> list[int]:
        n = len(ids)
        nxt = list(range(1, n + 1))
        prv = list(range(-1, n - 1))
        heap: list[tuple[int, int, int, int, int]] = []

        def push(i: int) -> None:
            j = nxt[i]
            if j < n and (hit := self._rank.get((ids[i], ids[j]))):
                heapq.heappush(heap, (hit[0], i, ids[i], ids[j], hit[1]))

        for i in range(n - 1):
            push(i)
        while heap:
            rank = heap[0][0]
            # all places of this rank first, from left to right; then what they made
            touched = []
            while heap and heap[0][0] == rank:
                _, i, a, b, new = heapq.heappop(heap)
                j = nxt[i] if ids[i] >= 0 else n
                if j >= n or ids[i] != a or ids[j] != b:
                    continue
                ids[i], ids[j] = new, -1
                nxt[i] = nxt[j]
                if nxt[i] < n:
                    prv[nxt[i]] = i
                touched.append(i)
            for i in touched:
                if ids[i] < 0:
                    continue
                if prv[i] >= 0:
                    push(prv[i])
                push(i)
        return [i for i in ids if i >= 0]

    def _text(self, text: str) -> Iterable[int]:
        for m in _SPLIT.finditer(text):
            yield from self._word([_BYTE_TO_ID[b] for b in m[0].encode("utf-8")])

    def encode(self, text: str, *, allow_special: bool = False) -> list[int]:
        if not (allow_special and self._special):
            return list(self._text(text))
        out: list[int] = []
        start = 0
        pattern = "|".join(re.escape(s) for s in sorted(self._special, key=len)[::-1])
        for m in re.finditer(pattern, text):
            out.extend(self._text(text[start : m.start()]))
            out.append(self._special[m[0]])
            start = m.end()
        out.extend(self._text(text[start:]))
        return out

    def decode(self, ids: Sequence[int]) -> str:
        try:
            return b"".join(map(self._bytes.__getitem__, ids)).decode("utf-8", "replace")
        except KeyError as e:
            raise ValueError(f"unknown id: {e}") from None
