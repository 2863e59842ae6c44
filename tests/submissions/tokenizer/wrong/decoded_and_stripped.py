# verdict: fail
# part: Decoding
# cause: decoded-text-changed
# style: mergeable ranks of bytes, whole pieces looked up first, as tiktoken
from __future__ import annotations

import collections
import functools

import regex

_pat = regex.compile(
    r"""'s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
)


def _words(text: str):
    return collections.Counter(m.group(0).encode("utf-8") for m in _pat.finditer(text))


def train_bpe(text: str, vocab_size: int) -> list[tuple[bytes, bytes]]:
    if not vocab_size >= 2**8:
        raise ValueError("vocab_size must be at least 256, so we can encode all bytes")
    words = [([bytes([b]) for b in word], n) for word, n in _words(text).items()]
    merges: list[tuple[bytes, bytes]] = []
    while len(merges) + 256 != vocab_size:
        stats: collections.Counter = collections.Counter()
        for piece, n in words:
            for i in range(len(piece) - 1):
                stats[piece[i], piece[i + 1]] += n
        if not stats:
            return merges
        a, b = sorted(stats.items(), key=lambda kv: (kv[1], kv[0]))[-1][0]
        merges.append((a, b))
        for piece, _ in words:
            i = 0
            while i < len(piece) - 1:
                if piece[i] == a and piece[i + 1] == b:
                    piece[i : i + 2] = [a + b]
                i += 1
    return merges


def bpe_encode(ranks: dict[bytes, int], data: bytes) -> list[int]:
    if data in ranks:
        return [ranks[data]]
    parts = [data[i : i + 1] for i in range(len(data))]
    while True:
        min_idx, min_rank = None, None
        for i, pair in enumerate(zip(parts[:-1], parts[1:])):
            rank = ranks.get(pair[0] + pair[1])
            if rank is not None and (min_rank is None or rank < min_rank):
                min_idx, min_rank = i, rank
        if min_rank is None:
            break
        parts = parts[:min_idx] + [parts[min_idx] + parts[min_idx + 1]] + parts[min_idx + 2 :]
    return [ranks[part] for part in parts]


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        printable = [b for b in range(256) if chr(b).isprintable() and chr(b) != " "]
        rest = [b for b in range(256) if b not in printable]
        self.mergeable_ranks = {bytes([b]): n for n, b in enumerate(printable + rest)}
        for first, second in merges:
            self.mergeable_ranks[first + second] = len(self.mergeable_ranks)
        n = len(self.mergeable_ranks)
        self._special = dict(zip(special_tokens, range(n, n + len(special_tokens))))
        self.vocab_size = n + len(self._special)
        self._decoder = {v: k for k, v in self.mergeable_ranks.items()}
        self._decoder.update({v: k.encode() for k, v in self._special.items()})
        self._bpe = functools.lru_cache(maxsize=10_000)(
            lambda piece: tuple(bpe_encode(self.mergeable_ranks, piece))
        )

    def encode(self, text, *, allow_special=False):
        ret: list[int] = []
        start = 0
        while True:
            hit = self._next_special(text, start) if allow_special and self._special else None
            end = hit.start() if hit else len(text)
            for piece in _pat.findall(text[start:end]):
                ret.extend(self._bpe(piece.encode("utf-8")))
            if hit is None:
                return ret
            ret.append(self._special[hit.group(0)])
            start = hit.end()

    def _next_special(self, text, start):
        names = sorted(self._special, key=len, reverse=True)
        return regex.compile("|".join(map(regex.escape, names))).search(text, start)

    def decode(self, ids):
        try:
            data = b"".join([self._decoder[i] for i in ids])
        except KeyError as e:
            raise ValueError(f"no such token: {e}") from None
        return data.decode("utf-8", errors="replace").strip()
