"""What a model's numbers stand for: characters, bytes, GPT-2's byte pairs, or nothing known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from grader.exercises.tokenizer.gpt2_merges import byte_of_character, published
from grader.files import write_whole
from lab.errors import LabError
from lab.submission import Submission

END_OF_TEXT = "<|endoftext|>"
_FILE = "tokens.json"
_MERGES = "vocab.bpe"


class Tokens(Protocol):
    """Text to numbers and back."""

    @property
    def kind(self) -> str:
        """ "chars", "bytes", "gpt2" or "numbers"."""

    @property
    def vocab_size(self) -> int:
        """How many numbers a model of them takes, and gives."""

    @property
    def unused(self) -> Sequence[int]:
        """Those that stand for nothing: they pad the model, and are never drawn."""

    @property
    def end(self) -> int | None:
        """The one that ends a document, if there is such a one."""

    def encode(self, text: str, *, skip_unknown: bool = False) -> npt.NDArray[np.int64]:
        """Text as numbers. Raises LabError for what has none, unless it is skipped."""

    def decode(self, ids: Sequence[int]) -> str:
        """Numbers as text."""

    def saved(self) -> dict[str, Any]:
        """What it can be made of again, as JSON."""

    def forget(self) -> None:
        """Let go of what it may remember of the texts so far."""


class _Stateless:
    def forget(self) -> None:
        """See Tokens."""


class Characters(_Stateless):
    """Each character is a token; numbered in the order of their code points."""

    kind = "chars"
    end = None

    def __init__(self, characters: str, vocab_size: int | None = None) -> None:
        self.characters = characters
        self.known = len(characters)
        self.vocab_size = vocab_size or self.known
        self.unused = range(self.known, self.vocab_size)
        self._codes = _code_points(characters)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Characters:
        """Those that occur in the texts."""
        found: set[str] = set()
        for text in texts:
            found.update(text)
        return cls("".join(sorted(found)))

    def encode(self, text: str, *, skip_unknown: bool = False) -> npt.NDArray[np.int64]:
        """See Tokens."""
        codes = _code_points(text)
        places = np.searchsorted(self._codes, codes).clip(max=self.known - 1)
        known = self._codes[places] == codes
        if not known.all() and not skip_unknown:
            strange = "".join(sorted({text[i] for i in np.flatnonzero(~known)[:1000]}))
            raise LabError(f"the model knows no {strange!r}: its data had no such characters")
        return places[known].astype(np.int64)

    def decode(self, ids: Sequence[int]) -> str:
        """See Tokens."""
        return "".join(self.characters[i] for i in ids if i < self.known)

    def saved(self) -> dict[str, Any]:
        """See Tokens."""
        padded = {} if self.vocab_size == self.known else {"vocab_size": self.vocab_size}
        return {"kind": self.kind, "characters": self.characters, **padded}


class Bytes(_Stateless):
    """Each byte of the text in UTF-8 is a token: a vocabulary of 256, the same for all texts."""

    kind = "bytes"
    end = None
    vocab_size = 256
    unused = ()

    def encode(self, text: str, *, skip_unknown: bool = False) -> npt.NDArray[np.int64]:
        """See Tokens. Every text has numbers."""
        data = text.encode("utf-8", "surrogatepass")
        return np.frombuffer(data, dtype=np.uint8).astype(np.int64)

    def decode(self, ids: Sequence[int]) -> str:
        """See Tokens. What is no UTF-8 becomes U+FFFD."""
        return bytes(ids).decode("utf-8", "replace")

    def saved(self) -> dict[str, Any]:
        """See Tokens."""
        return {"kind": self.kind}


class GPT2Tokens:
    """GPT-2's byte pairs, by the submission's own tokenizer.

    vocab_size: the model's, if it is padded. ids: the number of each token, where they are not
    given out in GPT-2's order: bytes, merges, special tokens. literal: whether special tokens in
    a text are text like any other.
    """

    kind = "gpt2"

    def __init__(
        self,
        merges: str,
        submission: Submission,
        vocab_size: int | None = None,
        special_tokens: Sequence[str] = (END_OF_TEXT,),
        ids: Sequence[int] | None = None,
        *,
        literal: bool = False,
    ) -> None:
        self.merges = merges
        self._pairs = parse_merges(merges)
        self.special = [*special_tokens]
        self._make = submission.get("tokenizer", "BPETokenizer")
        self.forget()
        self._code = submission.digest("tokenizer")
        self.known: int = self._tokenizer.vocab_size
        self.vocab_size = vocab_size or self.known
        own = list(range(self.known))
        self.ids = own if ids is None else [*ids]
        self._own = dict(zip(self.ids, own, strict=True))
        self.unused = sorted({*range(self.vocab_size)} - {*self.ids})
        self._table = None if self.ids == own else np.asarray(self.ids, dtype=np.int64)
        self.literal = literal
        ends = self.special.index(END_OF_TEXT) if END_OF_TEXT in self.special else None
        self.end: int | None = None if ends is None else self.ids[ends - len(self.special)]

    def forget(self) -> None:
        """See Tokens. Most tokenizers remember every word that they have met."""
        self._tokenizer = self._make(self._pairs, self.special)

    def symbols(self) -> list[bytes]:
        """What the bytes and the merges stand for, in GPT-2's order."""
        single = [bytes([byte]) for byte in byte_of_character().values()]
        return single + [left + right for left, right in self._pairs]

    def encode(self, text: str, *, skip_unknown: bool = False) -> npt.NDArray[np.int64]:
        """See Tokens. Every text has numbers."""
        known = not self.literal and any(token in text for token in self.special)
        special = {"allow_special": True} if known else {}
        ids = np.asarray(self._tokenizer.encode(text, **special), dtype=np.int64)
        return ids if self._table is None else self._table[ids]

    def decode(self, ids: Sequence[int]) -> str:
        """See Tokens."""
        return str(self._tokenizer.decode([self._own[i] for i in ids if i in self._own]))

    def saved(self) -> dict[str, Any]:
        """See Tokens."""
        found: dict[str, Any] = {"kind": self.kind, "merges": self.merges, "code": self._code}
        if self.vocab_size != self.known:
            found["vocab_size"] = self.vocab_size
        if self.special != [END_OF_TEXT]:
            found["special_tokens"] = self.special
        if self._table is not None:
            found["ids"] = self.ids
        if self.literal:
            found["literal"] = True
        return found


class Numbers(_Stateless):
    """Tokens without text, for weights that come without a vocabulary: "5 0 17"."""

    kind = "numbers"
    end = None
    unused = ()

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def encode(self, text: str, *, skip_unknown: bool = False) -> npt.NDArray[np.int64]:
        """See Tokens."""
        words = text.split()
        known = [w for w in words if w.isdecimal() and int(w) < self.vocab_size]
        if len(known) < len(words) and not skip_unknown:
            raise LabError(
                "this model came without a vocabulary: write numbers from 0 to "
                f"{self.vocab_size - 1}, or name its merges with --merges"
            )
        return np.array([int(word) for word in known], dtype=np.int64)

    def decode(self, ids: Sequence[int]) -> str:
        """See Tokens. A space before each, so that texts can be put together."""
        return "".join(f" {i}" for i in ids)

    def saved(self) -> dict[str, Any]:
        """See Tokens."""
        return {"kind": self.kind, "vocab_size": self.vocab_size}


def parse_merges(text: str) -> list[tuple[bytes, bytes]]:
    """The merges of a vocab.bpe or merges.txt, as OpenAI and Hugging Face write them.

    There a byte is written as a character that can be seen: itself if it can, else 256 and
    upwards. Raises LabError.
    """
    byte_of = {chr(number): byte for number, byte in byte_of_character().items()}
    merges = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#version"):
            continue
        try:
            left, right = line.rstrip("\r").split(" ")
            merges.append((bytes(byte_of[c] for c in left), bytes(byte_of[c] for c in right)))
        except (KeyError, ValueError):
            raise LabError(f"line {number} of the merges is none: {line!r}") from None
    return merges


def find_merges(place: Path | None) -> str:
    """Merges of a file or of a folder; else GPT-2's, as OpenAI published them. Raises LabError."""
    if place is None:
        return published()
    places = [place / _MERGES, place / "merges.txt"] if place.is_dir() else [place]
    for file in places:
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise LabError(f"there is neither {_MERGES} nor merges.txt in {place}")


def write_tokens(folder: Path, tokens: Tokens) -> None:
    """Keep them in the folder of a run. Raises OSError."""
    write_whole(folder / _FILE, json.dumps(tokens.saved()))


def read_tokens(folder: Path, submission: Submission) -> Tokens:
    """Those of a run. Raises LabError."""
    try:
        saved = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        kind = saved.pop("kind")
        if kind == Characters.kind:
            return Characters(**saved)
        if kind == Bytes.kind:
            return Bytes()
        if kind == Numbers.kind:
            return Numbers(**saved)
        saved.pop("code", None)  # of when it was written
        return GPT2Tokens(submission=submission, **saved)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(f"{folder / _FILE} cannot be read: {error}") from error


def made(kind: str, texts: Iterable[str], merges: Path | None, submission: Submission) -> Tokens:
    """Tokens of a kind, for these texts. Raises LabError."""
    if kind == GPT2Tokens.kind:
        return GPT2Tokens(find_merges(merges), submission)
    return Bytes() if kind == Bytes.kind else Characters.of(texts)


def literally(tokens: Tokens) -> None:
    """Let special tokens in a text be text like any other."""
    if isinstance(tokens, GPT2Tokens):
        tokens.literal = True


def _code_points(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
