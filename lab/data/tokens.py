"""What a model's numbers stand for: characters, GPT-2's byte pairs, or nothing known."""

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
        """ "chars" or "gpt2"."""

    @property
    def vocab_size(self) -> int:
        """How many there are."""

    @property
    def end(self) -> int | None:
        """The one that ends a document, if there is such a one."""

    def encode(self, text: str, *, skip_unknown: bool = False) -> npt.NDArray[np.int64]:
        """Text as numbers. Raises LabError for what has none, unless it is skipped."""

    def decode(self, ids: Sequence[int]) -> str:
        """Numbers as text."""

    def saved(self) -> dict[str, Any]:
        """What it can be made of again, as JSON."""


class Characters:
    """Each character is a token; numbered in the order of their code points."""

    kind = "chars"
    end = None

    def __init__(self, characters: str) -> None:
        self.characters = characters
        self.vocab_size = len(characters)
        self._codes = _code_points(characters)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Characters:
        """Those that occur in the texts."""
        return cls("".join(sorted(set().union(*texts))))

    def encode(self, text: str, *, skip_unknown: bool = False) -> npt.NDArray[np.int64]:
        """See Tokens."""
        codes = _code_points(text)
        places = np.searchsorted(self._codes, codes).clip(max=self.vocab_size - 1)
        known = self._codes[places] == codes
        if not known.all() and not skip_unknown:
            strange = "".join(sorted({text[i] for i in np.flatnonzero(~known)[:1000]}))
            raise LabError(f"the model knows no {strange!r}: its data had no such characters")
        return places[known].astype(np.int64)

    def decode(self, ids: Sequence[int]) -> str:
        """See Tokens."""
        return "".join(self.characters[i] for i in ids)

    def saved(self) -> dict[str, Any]:
        """See Tokens."""
        return {"kind": self.kind, "characters": self.characters}


class GPT2Tokens:
    """GPT-2's byte pairs, by the submission's own tokenizer."""

    kind = "gpt2"

    def __init__(self, merges: str, submission: Submission) -> None:
        self._merges = merges
        self._tokenizer = submission.get("tokenizer", "BPETokenizer")(
            parse_merges(merges), [END_OF_TEXT]
        )
        self._code = submission.digest("tokenizer")
        self.vocab_size: int = self._tokenizer.vocab_size
        self.end: int | None = self.vocab_size - 1

    def encode(self, text: str, *, skip_unknown: bool = False) -> npt.NDArray[np.int64]:
        """See Tokens. Every text has numbers."""
        return np.asarray(self._tokenizer.encode(text), dtype=np.int64)

    def decode(self, ids: Sequence[int]) -> str:
        """See Tokens."""
        return str(self._tokenizer.decode(list(ids)))

    def saved(self) -> dict[str, Any]:
        """See Tokens."""
        return {"kind": self.kind, "merges": self._merges, "code": self._code}


class Numbers:
    """Tokens without text, for weights that come without a vocabulary: "5 0 17"."""

    kind = "numbers"
    end = None

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
        if saved["kind"] == Characters.kind:
            return Characters(saved["characters"])
        if saved["kind"] == Numbers.kind:
            return Numbers(saved["vocab_size"])
        return GPT2Tokens(saved["merges"], submission)
    except (OSError, ValueError, KeyError) as error:
        raise LabError(f"{folder / _FILE} cannot be read: {error}") from error


def _code_points(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
