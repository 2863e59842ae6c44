"""Wrong ways to train: what each named bug gives, so that it is known by equality."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from grader.exercises.tokenizer.gpt2_merges import byte_order
from grader.exercises.tokenizer.oracle import Pair, Trainer, Word
from grader.exercises.tokenizer.pieces import PIECES, Cut


class _Once(Trainer):
    """Every pre-token counts once."""

    def words(self, text: str) -> dict[Word, int]:
        return dict.fromkeys(super().words(text), 1)


class _Characters(Trainer):
    def words(self, text: str) -> dict[Word, int]:
        found: dict[Word, int] = {}
        for piece in self.pieces(text):
            word = tuple(c.encode() for c in piece)
            found[word] = found.get(word, 0) + 1
        return found


class _First(Trainer):
    def best(self, counts: dict[Pair, int]) -> Pair:
        return max(counts, key=lambda pair: counts[pair])


class _Last(Trainer):
    def best(self, counts: dict[Pair, int]) -> Pair:
        return max(reversed(counts), key=lambda pair: counts[pair])


class _Least(Trainer):
    def best(self, counts: dict[Pair, int]) -> Pair:
        return min(counts, key=lambda pair: (-counts[pair], pair))


class _Rarest(Trainer):
    def best(self, counts: dict[Pair, int]) -> Pair:
        return min(counts, key=lambda pair: (counts[pair], pair))


class _RarestGreatest(Trainer):
    def best(self, counts: dict[Pair, int]) -> Pair:
        return max(counts, key=lambda pair: (-counts[pair], pair))


class _Ranked(Trainer):
    """Of ties the greatest in another order. sign: 1 for the greatest, -1 for the least."""

    sign = 1

    def order(self) -> dict[bytes, int]:
        return {bytes([b]): n for n, b in enumerate(byte_order())}

    def best(self, counts: dict[Pair, int]) -> Pair:
        known = self.order()
        for left, right in self.merges:
            known.setdefault(left + right, len(known))
        return max(
            counts,
            key=lambda pair: (counts[pair], *(self.sign * known[part] for part in pair)),
        )


class _RankedLeast(_Ranked):
    sign = -1


class _RankedPlain(_Ranked):
    def order(self) -> dict[bytes, int]:
        return {bytes([b]): b for b in range(256)}


class _RankedPlainLeast(_RankedPlain):
    sign = -1


class _Written(Trainer):
    """Of ties the greatest as GPT-2's files write it: bytes as characters that print."""

    def best(self, counts: dict[Pair, int]) -> Pair:
        order = byte_order()
        table = {b: b if n < 188 else 256 + n - 188 for n, b in enumerate(order)}
        return max(
            counts, key=lambda p: (counts[p], *(tuple(table[b] for b in part) for part in p))
        )


class _Joined(Trainer):
    def best(self, counts: dict[Pair, int]) -> Pair:
        return max(counts, key=lambda pair: (counts[pair], pair[0] + pair[1]))


class _Longest(Trainer):
    def best(self, counts: dict[Pair, int]) -> Pair:
        return max(counts, key=lambda pair: (counts[pair], len(pair[0] + pair[1]), pair))


class _NoOverlaps(Trainer):
    def pairs(self, word: Word) -> Iterable[Pair]:
        i, last = 0, (b"", b"")
        while i + 1 < len(word):
            pair = word[i], word[i + 1]
            if pair == last and pair[0] == pair[1]:
                last = b"", b""
            else:
                yield pair
                last = pair
            i += 1


class _OncePerWord(Trainer):
    def pairs(self, word: Word) -> Iterable[Pair]:
        return dict.fromkeys(pairwise(word))


class _FromTheRight(Trainer):
    def join(self, word: Word, pair: Pair) -> Word:
        parts: list[bytes] = []
        i = len(word)
        while i > 0:
            if word[max(i - 2, 0) : i] == pair:
                parts.append(pair[0] + pair[1])
                i -= 2
            else:
                parts.append(word[i - 1])
                i -= 1
        return tuple(reversed(parts))


class _OnePlace(Trainer):
    def join(self, word: Word, pair: Pair) -> Word:
        for i in range(len(word) - 1):
            if word[i : i + 2] == pair:
                return (*word[:i], pair[0] + pair[1], *word[i + 2 :])
        return word


class _NotUpdated(Trainer):
    """Counts pairs of bytes only, and never again."""

    def train(self, text: str, vocab_size: int) -> list[Pair]:
        counts = self.counts(self.words(text))
        for _ in range(min(self.steps(vocab_size), len(counts))):
            self.merges.append(self.best(counts))
            del counts[self.merges[-1]]
        return self.merges


class _OneMore(Trainer):
    def steps(self, vocab_size: int) -> int:
        return vocab_size - 255


class _OneLess(Trainer):
    def steps(self, vocab_size: int) -> int:
        return vocab_size - 257


class _WithoutBytes(Trainer):
    def steps(self, vocab_size: int) -> int:
        return vocab_size


class _Twice(Trainer):
    def is_over(self, counts: dict[Pair, int]) -> bool:
        return max(counts.values(), default=0) < 2


def _cut_otherwise(cut: Cut) -> type[Trainer]:
    class Wrong(Trainer):
        def pieces(self, text: str) -> Iterable[str]:
            return cut(text)

    return Wrong


# slug -> trainers that have this bug
TRAINERS: dict[str, tuple[type[Trainer], ...]] = {
    "word-counts-ignored": (_Once,),
    "ties-by-order-met": (_First, _Last),
    "ties-least": (_Least,),
    "ties-by-another-order": (
        *(_Ranked, _RankedLeast, _RankedPlain, _RankedPlainLeast, _Written, _Joined, _Longest),
    ),
    "rarest-pair-first": (_Rarest, _RarestGreatest),
    "overlaps-counted-once": (_NoOverlaps, _OncePerWord),
    "merged-from-the-right": (_FromTheRight,),
    "merged-at-one-place": (_OnePlace,),
    "pair-counts-not-updated": (_NotUpdated,),
    "merge-count-off-by-one": (_OneMore, _OneLess),
    "bytes-not-in-vocab-size": (_WithoutBytes,),
    "single-pairs-not-merged": (_Twice,),
    "characters-not-bytes": (_Characters,),
    **{slug: tuple(map(_cut_otherwise, cuts)) for slug, cuts in PIECES.items()},
}
