# verdict: fail
# part: Encoding
# cause: remembers-wrongly
# style: for every merge in the list's order replaces it everywhere, with a memo of words; bytes.replace-like
import re
import sys
import unicodedata
from itertools import groupby


def _class_of(major):
    codes = [c for c in range(sys.maxunicode + 1) if unicodedata.category(chr(c))[0] == major]
    spans = []
    for _, run in groupby(enumerate(codes), key=lambda pair: pair[1] - pair[0]):
        run = [code for _, code in run]
        spans.append((run[0], run[-1]))
    return "".join(rf"\U{a:08x}-\U{b:08x}" for a, b in spans)


L, N = _class_of("L"), _class_of("N")
PATTERN = re.compile(rf"'s|'t|'re|'ve|'m|'ll|'d| ?[{L}]+| ?[{N}]+| ?[^\s{L}{N}]+|\s+(?!\S)|\s+")


def merge_pair(parts, pair):
    out = []
    for part in parts:
        if out and out[-1] is not None and (out[-1], part) == pair:
            out[-1:] = [out[-1] + part, None]  # None: closed
        else:
            if out and out[-1] is None:
                out.pop()
            out.append(part)
    if out and out[-1] is None:
        out.pop()
    return out


def train_bpe(text: str, vocab_size: int):
    if vocab_size < 256:
        raise ValueError(f"vocab_size={vocab_size}")
    pieces = [[bytes([b]) for b in m[0].encode()] for m in PATTERN.finditer(text)]
    merges = []
    while len(merges) < vocab_size - 256:
        pairs = sorted(p for w in pieces for p in zip(w, w[1:]))
        if not pairs:
            break
        _, best = max((len(list(g)), p) for p, g in groupby(pairs))
        merges.append(best)
        pieces = [merge_pair(w, best) for w in pieces]
    return merges


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        self.merges = list(merges)
        self.special_tokens = tuple(special_tokens)
        b = [*range(33, 127), *range(161, 173), *range(174, 256), *range(33), *range(127, 161), 173]
        self.id_to_bytes = dict(enumerate(bytes([x]) for x in b))
        for x, y in self.merges:
            self.id_to_bytes[len(self.id_to_bytes)] = x + y
        self.bytes_to_id = {v: k for k, v in self.id_to_bytes.items()}
        self.memo = {}

    @property
    def vocab_size(self):
        return len(self.id_to_bytes) + len(self.special_tokens)

    def _word(self, piece):
        key, piece = piece, piece
        key = piece.strip() or piece
        if key not in self.memo:
            parts = [bytes([x]) for x in piece.encode()]
            pairs = set(zip(parts, parts[1:]))
            for pair in self.merges:
                if pair in pairs:
                    parts = merge_pair(parts, pair)
                    pairs = set(zip(parts, parts[1:]))
            self.memo[key] = [self.bytes_to_id[p] for p in parts]
        return self.memo[key]

    def encode(self, text, *, allow_special=False):
        segments = [text]
        if allow_special:
            for token in sorted(self.special_tokens, key=len, reverse=True):
                index = len(self.id_to_bytes) + self.special_tokens.index(token)
                nxt = []
                for s in segments:
                    if isinstance(s, int):
                        nxt.append(s)
                        continue
                    for k, bit in enumerate(s.split(token)):
                        if k:
                            nxt.append(index)
                        nxt.append(bit)
                segments = nxt
        ids = []
        for s in segments:
            if isinstance(s, int):
                ids.append(s)
            else:
                for m in PATTERN.finditer(s):
                    ids += self._word(m.group())
        return ids

    def decode(self, ids):
        def one(i):
            if i in self.id_to_bytes:
                return self.id_to_bytes[i]
            k = i - len(self.id_to_bytes)
            if 0 <= k < len(self.special_tokens):
                return self.special_tokens[k].encode()
            raise ValueError(i)

        return str(b"".join(one(i) for i in ids), "utf-8", "replace")
