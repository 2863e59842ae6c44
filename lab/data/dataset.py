"""Tokens in files that are mapped into memory. Prepared once for each text and kind of token."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console

from lab.data.corpus import Corpus
from lab.data.narrow import Narrow
from lab.data.places import cache
from lab.data.tokens import Tokens
from lab.errors import LabError
from lab.progress import Shown, shown

_FORMAT = 3  # a new one when files of old caches would be read wrongly
_HELD_OUT = 0.1  # the last part of the text, for validation
_IDS, _TOKENS = "ids.sha256", "tokens.bin"
_IN_MEMORY = 2**24  # tokens: 128 MiB
_MEGABYTE = 10**6
_LONG = 8 * _MEGABYTE  # from which size on a bar is shown
_LONGEST_WORD = 2**23  # characters
_FORGOTTEN = 2**26  # characters, after which a tokenizer that remembers words begins anew


@dataclass(frozen=True)
class Dataset:
    """Two rows of tokens, int64 as the exercises take them, and where they came from.

    key: of the text, the tokenizer's code and its vocabulary; ids: a hash of the tokens.
    """

    train: torch.Tensor
    validation: torch.Tensor
    key: str
    ids: str = ""

    def facts(self) -> dict[str, Any]:
        """What config.json says of it."""
        return {
            "key": self.key,
            "ids": self.ids,
            "train_tokens": len(self.train),
            "validation_tokens": len(self.validation),
        }

    def check(self, block_size: int) -> None:
        """Raise LabError if a part is shorter than one block and its targets."""
        for name, part in (("train", self.train), ("validation", self.validation)):
            if len(part) < block_size + 1:
                raise LabError(
                    f"the text is too short: its {name} part has {len(part)} tokens, and one "
                    f"block with its targets takes {block_size + 1}; take more text or a smaller "
                    "block_size"
                )


def prepare(corpus: Corpus, tokens: Tokens) -> Dataset:
    """The dataset of these documents; made now if it was not made before. Raises LabError."""
    key = _key(corpus, tokens)
    place = cache() / "datasets" / key
    if not place.is_dir():
        try:
            _write(place, corpus, tokens)
        except OSError as error:
            raise LabError(f"the dataset cannot be written to {place}: {error}") from error
    dtype = _dtype(tokens)
    count = (place / _TOKENS).stat().st_size // dtype.itemsize
    split = count - int(count * _HELD_OUT)
    numbers = _mapped(place / _TOKENS, dtype, count)
    ids = (place / _IDS).read_text(encoding="ascii")
    return Dataset(numbers[:split], numbers[split:], key, ids)


def _key(corpus: Corpus, tokens: Tokens) -> str:
    digest = hashlib.sha256(json.dumps([_FORMAT, tokens.saved()]).encode())
    for document in corpus.documents():
        length = 0
        for piece in document:
            length += len(piece)
            digest.update(piece.encode("utf-8", "surrogatepass"))
        digest.update(f"\0{length}\0".encode())
    return digest.hexdigest()[:24]


def _write(place: Path, corpus: Corpus, tokens: Tokens) -> None:
    """Make the folder whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=".new-"))
    digest = hashlib.sha256()
    try:
        with open(temporary / _TOKENS, "wb") as file:
            for ids in _numbers(corpus, tokens):
                digest.update(ids.astype("<i8").tobytes())
                ids.astype(_dtype(tokens)).tofile(file)
        (temporary / _IDS).write_text(digest.hexdigest(), encoding="ascii")
        temporary.rename(place)
    except OSError:
        if not place.is_dir():  # else another process was faster, with the very same
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _numbers(corpus: Corpus, tokens: Tokens) -> Iterator[npt.NDArray[np.int64]]:
    """All tokens, piece by piece: behind each document the one that ends it, or an empty line."""
    read = 0
    with _told(corpus.size) as bar:
        for number, document in enumerate(corpus.documents()):
            if number and tokens.end is None:
                yield tokens.encode("\n\n")
            for piece in whole_words(document):
                yield tokens.encode(piece)
                read += len(piece)
                bar.advance(min(read, corpus.size) // _MEGABYTE, ["MB read"])
                if read // _FORGOTTEN != (read - len(piece)) // _FORGOTTEN:
                    tokens.forget()
            if tokens.end is not None:
                yield np.array([tokens.end])


def whole_words(pieces: Iterable[str]) -> Iterator[str]:
    """The same text in pieces that end before the space between two words.

    There GPT-2's pre-tokens end, too, so that the tokens are those of the whole. A text without
    any space is cut where a piece becomes too long.
    """
    rest = ""
    for piece in pieces:
        rest += piece
        if (cut := _last_space(rest)) or len(rest) > _LONGEST_WORD:
            cut = cut or len(rest)
            yield rest[:cut]
            rest = rest[cut:]
    if rest:
        yield rest


def _last_space(text: str) -> int:
    """Where the last space or line's end is that stands behind something else; 0 if nowhere."""
    at = len(text)
    while (at := max(text.rfind(" ", 0, at), text.rfind("\n", 0, at))) > 0:
        if not text[at - 1].isspace():
            return at
    return 0


@contextmanager
def _told(size: int) -> Iterator[Shown]:
    """A bar for what takes a while, in megabytes; nothing for the rest."""
    quiet = size < _LONG
    with shown(Console(stderr=True, quiet=quiet), size // _MEGABYTE) as bar:
        if not quiet:
            bar.say(f"making tokens of {size / 1e6:,.0f} MB of text, once")
        yield bar


def _dtype(tokens: Tokens) -> np.dtype[Any]:
    return np.dtype("<u2" if tokens.vocab_size <= 2**16 else "<u4")


def _mapped(path: Path, dtype: np.dtype[Any], count: int) -> torch.Tensor:
    """In memory as int64, or from a certain size on a view of the file."""
    if count <= _IN_MEMORY:
        return torch.from_numpy(np.fromfile(path, dtype=dtype).astype(np.int64))
    # "c": torch wants memory that may be written to; the file will not be.
    return Narrow.of(np.memmap(path, dtype=dtype, mode="c"))
