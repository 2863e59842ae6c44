"""Wrong ways to encode: what each named bug gives, so that it is known by equality."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from grader.exercises.tokenizer.oracle import Tokenizer, Word, join, single
from grader.exercises.tokenizer.pieces import PIECES, Cut
from grader.exercises.tokenizer.special_forms import SPECIAL_ENCODERS, SpecialOffByOne


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
    "ids-off-by-one": (_OffByOne, _AllOffByOne, SpecialOffByOne),
    "latin-1": (_Latin1, _Latin1Dropped),
    "characters-not-bytes": (_CharactersKept,),
    **SPECIAL_ENCODERS,
    **{slug: tuple(map(_cut_otherwise, cuts)) for slug, cuts in PIECES.items()},
}
