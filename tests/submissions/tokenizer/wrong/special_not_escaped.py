# verdict: fail
# part: Special tokens
# cause: special-not-escaped
# style: everything on integer ids, get_stats and merge as in minbpe
from collections import defaultdict
import regex

GPT2_SPLIT_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


def get_stats(ids, counts=None, weight=1):
    counts = defaultdict(int) if counts is None else counts
    for pair in zip(ids, ids[1:]):
        counts[pair] += weight
    return counts


def merge(ids, pair, idx):
    newids = []
    i = 0
    while i < len(ids):
        if ids[i] == pair[0] and i < len(ids) - 1 and ids[i + 1] == pair[1]:
            newids.append(idx)
            i += 2
        else:
            newids.append(ids[i])
            i += 1
    return newids


def train_bpe(text, vocab_size):
    if vocab_size < 256:
        raise ValueError(vocab_size)
    chunks = [list(ch.encode()) for ch in regex.findall(GPT2_SPLIT_PATTERN, text)]
    vocab = {i: bytes([i]) for i in range(256)}
    merges = []
    for idx in range(256, vocab_size):
        stats = defaultdict(int)
        for chunk in chunks:
            get_stats(chunk, stats)
        if len(stats) == 0:
            break
        # two ids may stand for the same bytes: then they are one symbol
        pair = max(stats, key=lambda p: (stats[p], (vocab[p[0]], vocab[p[1]])))
        new = vocab[pair[0]] + vocab[pair[1]]
        known = next((i for i, b in vocab.items() if b == new), idx)
        vocab.setdefault(known, new)
        chunks = [merge(chunk, pair, known) for chunk in chunks]
        merges.append((vocab[pair[0]], vocab[pair[1]]))
    return merges


class BPETokenizer:
    def __init__(self, merges, special_tokens=()):
        order = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
        order += sorted(set(range(256)) - set(order))
        self.byte_shuffle = {b: i for i, b in enumerate(order)}
        self.vocab = {i: bytes([b]) for i, b in enumerate(order)}
        by_bytes = {v: k for k, v in self.vocab.items()}
        self.merges = {}
        for p0, p1 in merges:
            idx = len(self.vocab)
            self.merges[by_bytes[p0], by_bytes[p1]] = idx
            self.vocab[idx] = p0 + p1
            by_bytes[p0 + p1] = idx
        self.special_tokens = {s: len(self.vocab) + i for i, s in enumerate(special_tokens)}
        self.inverse_special_tokens = {v: k for k, v in self.special_tokens.items()}
        self.vocab_size = len(self.vocab) + len(self.special_tokens)

    def _encode_chunk(self, text_bytes):
        ids = [self.byte_shuffle[b] for b in text_bytes]
        while len(ids) >= 2:
            stats = get_stats(ids)
            pair = min(stats, key=lambda p: self.merges.get(p, float("inf")))
            if pair not in self.merges:
                break
            ids = merge(ids, pair, self.merges[pair])
        return ids

    def encode_ordinary(self, text):
        ids = []
        for chunk in regex.findall(GPT2_SPLIT_PATTERN, text):
            ids.extend(self._encode_chunk(chunk.encode("utf-8")))
        return ids

    def encode(self, text, *, allow_special=False):
        special = self.special_tokens if allow_special else {}
        if not special:
            return self.encode_ordinary(text)
        ids = []
        by_length = sorted(special, key=lambda s: -len(s))
        for part in regex.split("(" + "|".join(by_length) + ")", text):
            if part in special:
                ids.append(special[part])
            else:
                ids.extend(self.encode_ordinary(part))
        return ids

    def decode(self, ids):
        part_bytes = []
        for idx in ids:
            if idx in self.vocab:
                part_bytes.append(self.vocab[idx])
            elif idx in self.inverse_special_tokens:
                part_bytes.append(self.inverse_special_tokens[idx].encode("utf-8"))
            else:
                raise ValueError(f"invalid token id: {idx}")
        return b"".join(part_bytes).decode("utf-8", errors="replace")
