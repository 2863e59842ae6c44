"""Wrong ways to encode: what each named bug gives, so that it is known by equality."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from grader.oracle.tokenizer import Tokenizer, Word, join, pieces, single
from grader.oracle.tokenizer_pieces import PIECES, Cut


class _LeftToRight(Tokenizer):
    """The first pair that may be merged, from the left."""

    def merged(self, word: Word) -> Word:
        while fitting := [p for p in pairwise(word) if p in self.ranks]:
            word = join(word, fitting[0])
        return word


class _LeftmostPlace(Tokenizer):
    """The same, and only this one place of it."""

    def merged(self, word: Word) -> Word:
        while True:
            places = (i for i in range(len(word) - 1) if word[i : i + 2] in self.ranks)
            i = next(places, None)
            if i is None:
                return word
            word = (*word[:i], word[i] + word[i + 1], *word[i + 2 :])


class _Folded(Tokenizer):
    """From left to right, each symbol merged with what stands before it, if it can be."""

    def merged(self, word: Word) -> Word:
        parts = list(word[:1])
        for symbol in word[1:]:
            if (parts[-1], symbol) in self.ranks:
                parts[-1] += symbol
            else:
                parts.append(symbol)
        return tuple(parts)


class _LongestMatch(Tokenizer):
    def merged(self, word: Word) -> Word:
        whole, parts = b"".join(word), []
        start = 0
        while start < len(whole):
            end = next(e for e in range(len(whole), start, -1) if whole[start:e] in self.ids)
            parts.append(whole[start:end])
            start = end
        return tuple(parts)


class _LatestFirst(Tokenizer):
    def merged(self, word: Word) -> Word:
        while fitting := [p for p in pairwise(word) if p in self.ranks]:
            word = join(word, max(fitting, key=lambda pair: self.ranks[pair]))
        return word


class _OneMerge(Tokenizer):
    def merged(self, word: Word) -> Word:
        fitting = [p for p in pairwise(word) if p in self.ranks]
        return join(word, min(fitting, key=lambda pair: self.ranks[pair])) if fitting else word


class _OnePass(Tokenizer):
    """Every merge of pairs of bytes, and none of what came of them."""

    def merged(self, word: Word) -> Word:
        for pair in sorted(set(pairwise(word)) & set(self.ranks), key=lambda p: self.ranks[p]):
            word = join(word, pair)
        return word


class _OneScan(Tokenizer):
    """Once from left to right."""

    def merged(self, word: Word) -> Word:
        parts: list[bytes] = []
        i = 0
        while i < len(word):
            two = word[i : i + 2] in self.ranks
            parts.append(b"".join(word[i : i + 1 + two]))
            i += 1 + two
        return tuple(parts)


class _NoMerges(Tokenizer):
    def merged(self, word: Word) -> Word:
        return word


class _PlainOrder(Tokenizer):
    def id_of(self, symbol: bytes) -> int:
        return symbol[0] if len(symbol) == 1 else super().id_of(symbol)


class _OffByOne(Tokenizer):
    def id_of(self, symbol: bytes) -> int:
        return super().id_of(symbol) + (len(symbol) > 1)


class _AllOffByOne(Tokenizer):
    def id_of(self, symbol: bytes) -> int:
        return super().id_of(symbol) + 1


class _SpecialFirst(Tokenizer):
    def id_of(self, symbol: bytes) -> int:
        return super().id_of(symbol) + len(self.special_tokens)

    def special_id(self, token: str) -> int:
        return self.special_tokens.index(token)


class _SpecialBeforeMerges(Tokenizer):
    def id_of(self, symbol: bytes) -> int:
        return super().id_of(symbol) + len(self.special_tokens) * (len(symbol) > 1)

    def special_id(self, token: str) -> int:
        return 256 + self.special_tokens.index(token)


class _Latin1(Tokenizer):
    def bytes_of(self, piece: str) -> Word:
        return single(piece.encode("latin-1", "replace"))


class _Latin1Dropped(Tokenizer):
    def bytes_of(self, piece: str) -> Word:
        return single(piece.encode("latin-1", "ignore"))


class _CharactersKept(Tokenizer):
    """Characters where bytes belong; what is not in the vocabulary is left out."""

    def bytes_of(self, piece: str) -> Word:
        return tuple(c.encode() for c in piece)

    def plain(self, text: str) -> list[int]:
        words = (self.merged(self.bytes_of(piece)) for piece in self.pieces(text))
        return [self.ids[symbol] for word in words for symbol in word if symbol in self.ids]


class _SpecialAlways(Tokenizer):
    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        return super().encode(text, True)


class _SpecialNever(Tokenizer):
    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        return self.plain(text)


class _SpecialInverted(Tokenizer):
    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        return super().encode(text, not allow_special)


class _SpecialInOrder(Tokenizer):
    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        yield from _parts(text, [re.escape(token) for token in self.special_tokens])


class _SpecialShortest(Tokenizer):
    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        yield from _parts(text, map(re.escape, sorted(self.special_tokens, key=len)))


class _SpecialNested(Tokenizer):
    """One special token after another, wherever it stands: the first given, or the longest."""

    def order(self) -> Sequence[str]:
        return self.special_tokens

    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        parts = [(text, False)]
        for token in self.order():
            parts = [
                new
                for part, special in parts
                for new in ([(part, True)] if special else _parts(part, [re.escape(token)]))
            ]
        yield from parts


class _SpecialNestedLongest(_SpecialNested):
    def order(self) -> Sequence[str]:
        return sorted(self.special_tokens, key=len, reverse=True)


class _SpecialOnce(Tokenizer):
    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        met: set[str] = set()
        for stretch, special in super().split(text):
            yield stretch, special and stretch not in met
            if special:
                met.add(stretch)


class _SpecialUnescaped(Tokenizer):
    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        yield from _parts(text, self.special_tokens)


class _SpecialStripped(Tokenizer):
    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        for stretch, special in super().split(text):
            yield stretch if special else stretch.strip(), special


class _SpecialReversed(Tokenizer):
    def special_id(self, token: str) -> int:
        return self.vocab_size - 1 - self.special_tokens.index(token)


class _SpecialSorted(Tokenizer):
    def special_id(self, token: str) -> int:
        return self.first_special + sorted(self.special_tokens).index(token)


class _SpecialByLength(Tokenizer):
    def special_id(self, token: str) -> int:
        longest = sorted(self.special_tokens, key=len, reverse=True)
        return self.first_special + longest.index(token)


class _SpecialOffByOne(Tokenizer):
    def special_id(self, token: str) -> int:
        return super().special_id(token) + 1


class _WholePieces(Tokenizer):
    """The cuts are those of the whole text, special tokens and all."""

    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        if not allow_special:
            return self.plain(text)
        found = []
        for piece in pieces(text):
            for stretch, special in self.split(piece):
                found += [self.special_id(stretch)] if special else self.plain(stretch)
        return found


def _parts(text: str, patterns: Iterable[str]) -> Iterator[tuple[str, bool]]:
    for n, stretch in enumerate(re.split(f"({'|'.join(patterns)})", text)):
        if stretch:
            yield stretch, n % 2 == 1


def _cut_otherwise(cut: Cut) -> type[Tokenizer]:
    class Wrong(Tokenizer):
        def pieces(self, text: str) -> Iterable[str]:
            return cut(text)

    return Wrong


# slug -> tokenizers that encode with this bug
ENCODERS: dict[str, tuple[type[Tokenizer], ...]] = {
    "merges-left-to-right": (_LeftToRight, _LeftmostPlace, _Folded),
    "longest-match": (_LongestMatch,),
    "latest-merge-first": (_LatestFirst,),
    "merges-not-repeated": (_OneMerge, _OnePass, _OneScan),
    "no-merges": (_NoMerges,),
    "bytes-in-plain-order": (_PlainOrder,),
    "ids-off-by-one": (_OffByOne, _AllOffByOne, _SpecialOffByOne),
    "special-ids-misplaced": (
        *(_SpecialFirst, _SpecialBeforeMerges, _SpecialReversed, _SpecialSorted, _SpecialByLength),
    ),
    "latin-1": (_Latin1, _Latin1Dropped),
    "characters-not-bytes": (_CharactersKept,),
    "special-always": (_SpecialAlways,),
    "special-never": (_SpecialNever,),
    "special-inverted": (_SpecialInverted,),
    "special-not-longest": (
        *(_SpecialInOrder, _SpecialShortest, _SpecialNested, _SpecialNestedLongest),
    ),
    "special-first-place-only": (_SpecialOnce,),
    "special-not-escaped": (_SpecialUnescaped,),
    "special-text-stripped": (_SpecialStripped,),
    "special-cut-with-the-text": (_WholePieces,),
    **{slug: tuple(map(_cut_otherwise, cuts)) for slug, cuts in PIECES.items()},
}
