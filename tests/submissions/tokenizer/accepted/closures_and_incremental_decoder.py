# verdict: pass
# style: functions that make functions, itertools, an incremental decoder, specials by str.find
from __future__ import annotations

import codecs
import functools
import itertools
import operator
import unicodedata
from typing import Callable, Iterable, Iterator, Sequence

BYTES_THAT_PRINT = tuple(itertools.chain(range(33, 127), range(161, 173), range(174, 256)))
ALPHABET = BYTES_THAT_PRINT + tuple(itertools.filterfalse(set(BYTES_THAT_PRINT).__contains__, range(256)))


@functools.lru_cache(maxsize=None)
def kind(c: str) -> str:
    if c.isspace():
        return "s"
    category = unicodedata.category(c)
    return "l" if category.startswith("L") else "n" if category.startswith("N") else "o"


def cut(text: str) -> Iterator[str]:
    runs = [(k, "".join(g)) for k, g in itertools.groupby(text, kind)]
    carry = ""  # the space that the run before left
    i = 0
    while i < len(runs):
        k, run = runs[i]
        i += 1
        if k == "s":
            if i < len(runs) and len(run) > 1:
                yield run[:-1]
                run = run[-1]
            if i < len(runs) and run == " ":
                carry = " "
            elif run:
                yield run
            continue
        if k == "o" and not carry and run == "'" and i < len(runs) and runs[i][0] == "l":
            rest = runs[i][1]
            ending = next((e for e in ("s", "t", "re", "ve", "m", "ll", "d") if rest.startswith(e)), "")
            if ending:
                yield "'" + ending
                if len(ending) < len(rest):
                    runs[i] = ("l", rest[len(ending) :])
                else:
                    i += 1
                continue
        yield carry + run
        carry = ""


def join_all(symbols: tuple, pair: tuple) -> tuple:
    def go() -> Iterator[bytes]:
        it = iter(range(len(symbols)))
        for i in it:
            if symbols[i : i + 2] == pair:
                yield operator.add(*pair)
                next(it, None)
            else:
                yield symbols[i]

    return tuple(go())


def split_bytes(piece: str) -> tuple:
    return tuple(map(bytes, zip(piece.encode("utf-8"))))


def train_bpe(text: str, vocab_size: int) -> list[tuple[bytes, bytes]]:
    if vocab_size < 256:
        raise ValueError("vocab_size must not be below 256")

    def merges(words: list[tuple]) -> Iterator[tuple[bytes, bytes]]:
        while True:
            pairs = sorted(itertools.chain.from_iterable(zip(w, w[1:]) for w in words))
            if not pairs:
                return
            best = max(((sum(1 for _ in g), p) for p, g in itertools.groupby(pairs)))[1]
            yield best
            words = [join_all(w, best) for w in words]

    return list(itertools.islice(merges(list(map(split_bytes, cut(text)))), vocab_size - 256))


class BPETokenizer:
    __slots__ = ("vocab_size", "encode", "decode")

    def __init__(self, merges: Sequence[tuple[bytes, bytes]], special_tokens: Sequence[str] = ()) -> None:
        table = [bytes([b]) for b in ALPHABET] + list(itertools.starmap(operator.add, merges))
        self.vocab_size = len(table) + len(special_tokens)
        plain = make_plain({s: i for i, s in enumerate(table)}, {tuple(m): r for r, m in enumerate(merges)})
        special = {s: len(table) + i for i, s in enumerate(special_tokens)}
        self.encode = make_encode(plain, special)
        self.decode = make_decode(table + [s.encode() for s in special_tokens])


def make_plain(ids: dict, ranks: dict) -> Callable[[str], Iterable[int]]:
    @functools.lru_cache(maxsize=4096)
    def word(piece: str) -> tuple:
        symbols = split_bytes(piece)
        while True:
            known = ranks.keys() & set(zip(symbols, symbols[1:]))
            if not known:
                return tuple(map(ids.__getitem__, symbols))
            symbols = join_all(symbols, min(known, key=ranks.__getitem__))

    return lambda text: itertools.chain.from_iterable(map(word, cut(text)))


def make_encode(plain: Callable, special: dict) -> Callable:
    def encode(text: str, *, allow_special: bool = False) -> list[int]:
        if not allow_special:
            return list(plain(text))
        ids: list[int] = []
        while True:
            hits = [(text.find(s), -len(s), s) for s in special if s in text]
            if not hits:
                return ids + list(plain(text))
            at, _, token = min(hits)
            ids.extend(plain(text[:at]))
            ids.append(special[token])
            text = text[at + len(token) :]

    return encode


def make_decode(table: list) -> Callable:
    def decode(ids: Sequence[int]) -> str:
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        parts = []
        for i in ids:
            if i not in range(len(table)):
                raise ValueError(f"no id {i}")
            parts.append(decoder.decode(table[i]))
        return "".join(parts) + decoder.decode(b"", final=True)

    return decode
