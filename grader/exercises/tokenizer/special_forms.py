"""Wrong ways with special tokens: what each named bug gives, so that it is known by equality."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from grader.exercises.tokenizer.oracle import Tokenizer, pieces


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


class _OneIdForBoth(Tokenizer):
    """A special token whose text is that of a symbol has one id with it: the special token's."""

    def id_of(self, symbol: bytes) -> int:
        for token in self.special_tokens:
            if token.encode() == symbol:
                return self.special_id(token)
        return super().id_of(symbol)


class _OneIdOfTheSymbol(Tokenizer):
    """Such a special token has the symbol's id, and those after it move up, or do not."""

    moves_up = True

    def special_id(self, token: str) -> int:
        if token.encode() in self.ids:
            return self.ids[token.encode()]
        new = [t for t in self.special_tokens if t.encode() not in self.ids]
        return self.first_special + new.index(token) if self.moves_up else super().special_id(token)


class _OneIdAndAGap(_OneIdOfTheSymbol):
    moves_up = False


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
    """One special token after another, wherever it stands: the first given, or the longest.

    most: at so many places of a stretch; 0: at all.
    """

    most = 0

    def order(self) -> Sequence[str]:
        return self.special_tokens

    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        parts = [(text, False)]
        for token in self.order():
            parts = [
                new
                for part, special in parts
                for new in (
                    [(part, True)] if special else _parts(part, [re.escape(token)], self.most)
                )
            ]
        yield from parts


class _SpecialNestedLongest(_SpecialNested):
    def order(self) -> Sequence[str]:
        return sorted(self.special_tokens, key=len, reverse=True)


class _SpecialOnceInAStretch(_SpecialNestedLongest):
    most = 1


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


class _SpecialInAnyCase(Tokenizer):
    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        known = {token.lower(): token for token in self.special_tokens}
        patterns = map(re.escape, sorted(known, key=len, reverse=True))
        for stretch, special in _parts(text, [f"(?i:{'|'.join(patterns)})"]):
            yield known[stretch.lower()] if special else stretch, special


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


class SpecialOffByOne(Tokenizer):
    """Their ids are one too high."""

    def special_id(self, token: str) -> int:
        """The id of a special token."""
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


def _parts(text: str, patterns: Iterable[str], most: int = 0) -> Iterator[tuple[str, bool]]:
    for n, stretch in enumerate(re.split(f"({'|'.join(patterns)})", text, maxsplit=most)):
        if stretch:
            yield stretch, n % 2 == 1


# slug -> tokenizers that encode with this bug
SPECIAL_ENCODERS: dict[str, tuple[type[Tokenizer], ...]] = {
    "special-ids-misplaced": (
        *(_SpecialFirst, _SpecialBeforeMerges, _SpecialReversed, _SpecialSorted, _SpecialByLength),
    ),
    "special-shares-an-id": (_OneIdForBoth, _OneIdOfTheSymbol, _OneIdAndAGap),
    "special-always": (_SpecialAlways,),
    "special-never": (_SpecialNever,),
    "special-inverted": (_SpecialInverted,),
    "special-not-longest": (
        *(_SpecialInOrder, _SpecialShortest, _SpecialNested, _SpecialNestedLongest),
    ),
    "special-first-place-only": (_SpecialOnce, _SpecialOnceInAStretch),
    "special-not-escaped": (_SpecialUnescaped,),
    "special-ignores-case": (_SpecialInAnyCase,),
    "special-text-stripped": (_SpecialStripped,),
    "special-cut-with-the-text": (_WholePieces,),
}
