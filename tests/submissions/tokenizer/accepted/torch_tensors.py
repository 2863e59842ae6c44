# verdict: pass
# style: symbols as torch tensors of ids, pairs counted with torch.unique, a dataclass
from __future__ import annotations

from dataclasses import dataclass, field

import regex
import torch

RX = regex.compile(r"(?:'s|'t|'re|'ve|'m|'ll|'d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
BASE = 100_000


def replace_pair(x: torch.Tensor, a: int, b: int, new: int) -> torch.Tensor:
    hit = ((x[:-1] == a) & (x[1:] == b)).tolist()
    keep, out, i = [], x.clone(), 0
    while i < len(x):
        keep.append(i)
        if i < len(hit) and hit[i]:
            out[i] = new
            i += 1
        i += 1
    return out[torch.tensor(keep, dtype=torch.long)]


def train_bpe(text: str, vocab_size: int) -> list[tuple[bytes, bytes]]:
    if vocab_size < 256:
        raise ValueError("vocab_size must be at least 256")
    table = [bytes([b]) for b in range(256)]
    known = {s: i for i, s in enumerate(table)}
    words = [torch.tensor(list(piece.encode()), dtype=torch.long) for piece in RX.findall(text)]
    merges: list[tuple[bytes, bytes]] = []
    while len(merges) < vocab_size - 256:
        codes = [w[:-1] * BASE + w[1:] for w in words if len(w) > 1]
        if not codes:
            break
        values, counts = torch.unique(torch.cat(codes), return_counts=True)
        top = values[counts == counts.max()].tolist()
        a, b = max(((v // BASE, v % BASE) for v in top), key=lambda p: (table[p[0]], table[p[1]]))
        merges.append((table[a], table[b]))
        joined = table[a] + table[b]
        if joined not in known:
            known[joined] = len(table)
            table.append(joined)
        words = [replace_pair(w, a, b, known[joined]) if len(w) > 1 else w for w in words]
    return merges


@dataclass
class BPETokenizer:
    merges: list
    special_tokens: tuple = ()
    vocab_size: int = field(init=False)

    def __post_init__(self):
        shown = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
        self._first = shown + [b for b in range(256) if b not in shown]
        self._table = [bytes([b]) for b in self._first]
        self._of_byte = [0] * 256
        for i, b in enumerate(self._first):
            self._of_byte[b] = i
        ids = {s: i for i, s in enumerate(self._table)}
        self._rules = {}
        for a, b in self.merges:
            self._rules[ids[a], ids[b]] = ids[a + b] = len(self._table)
            self._table.append(a + b)
        self._n = len(self._table)
        self._table += [s.encode() for s in self.special_tokens]
        self.vocab_size = len(self._table)
        self._seen = {}

    def _piece(self, piece):
        x = [self._of_byte[b] for b in piece.encode()]
        while len(x) > 1:
            new, i = min((self._rules.get(p, self.vocab_size), i) for i, p in enumerate(zip(x, x[1:])))
            if new == self.vocab_size:
                break
            x[i : i + 2] = [new]
        return x

    def encode(self, text, *, allow_special=False):
        specials = sorted(self.special_tokens, key=len, reverse=True) if allow_special else []
        chunks = regex.split("(" + "|".join(map(regex.escape, specials)) + ")", text) if specials else [text]
        out = []
        for k, chunk in enumerate(chunks):
            if k % 2:
                out.append(self._n + list(self.special_tokens).index(chunk))
                continue
            for piece in RX.findall(chunk):
                if piece not in self._seen:
                    self._seen[piece] = self._piece(piece)
                out += self._seen[piece]
        return torch.tensor(out, dtype=torch.long).tolist()

    def decode(self, ids):
        ids = torch.as_tensor(list(ids), dtype=torch.long)
        if ((ids < 0) | (ids >= self.vocab_size)).any():
            raise ValueError(f"ids must lie in [0, {self.vocab_size})")
        return b"".join(self._table[i] for i in ids.tolist()).decode("utf-8", "replace")
