"""Tokens in files that are mapped into memory. Prepared once for each text and kind of token."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lab.data.places import cache
from lab.data.tokens import Tokens
from lab.errors import LabError

_FORMAT = 2  # a new one when files of old caches would be read wrongly
_HELD_OUT = 0.1  # the last part of the text, for validation
_IDS = "ids.sha256"


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


def prepare(texts: list[str], tokens: Tokens) -> Dataset:
    """The dataset of these documents; made now if it was not made before. Raises LabError."""
    digest = hashlib.sha256(json.dumps([_FORMAT, tokens.saved()]).encode())
    for text in texts:
        digest.update(f"{len(text)}:".encode() + text.encode("utf-8", "surrogatepass"))
    key = digest.hexdigest()[:24]
    place = cache() / "datasets" / key
    if not place.is_dir():
        try:
            _write(place, texts, tokens)
        except OSError as error:
            raise LabError(f"the dataset cannot be written to {place}: {error}") from error
    ids = (place / _IDS).read_text(encoding="ascii")
    return Dataset(_mapped(place / "train.bin"), _mapped(place / "validation.bin"), key, ids)


def _write(place: Path, texts: Iterable[str], tokens: Tokens) -> None:
    """Make the folder whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=".new-"))
    try:
        ids = np.concatenate([_document(text, tokens) for text in texts])
        split = len(ids) - int(len(ids) * _HELD_OUT)
        ids[:split].tofile(temporary / "train.bin")
        ids[split:].tofile(temporary / "validation.bin")
        (temporary / _IDS).write_text(hashlib.sha256(ids.tobytes()).hexdigest(), encoding="ascii")
        temporary.rename(place)
    except OSError:
        if not place.is_dir():  # else another process was faster, with the very same
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _document(text: str, tokens: Tokens) -> np.ndarray[Any, np.dtype[np.int64]]:
    ids = tokens.encode(text)
    return ids if tokens.end is None else np.append(ids, tokens.end)


def _mapped(path: Path) -> torch.Tensor:
    if path.stat().st_size == 0:
        return torch.empty(0, dtype=torch.int64)
    # "c": torch wants memory that may be written to; the file will not be.
    return torch.from_numpy(np.memmap(path, dtype=np.int64, mode="c"))
