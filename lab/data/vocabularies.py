"""Vocabularies that come with weights: merges, further tokens, and numbers given out otherwise."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grader.exercises.tokenizer.gpt2_merges import byte_of_character
from lab.data.tokens import END_OF_TEXT, Characters, GPT2Tokens, Tokens, find_merges
from lab.errors import LabError
from lab.submission import Submission

_PADDING = 256  # GPT-2's own tokens are taken for a vocabulary that is larger by so much at most


def vocabulary(
    place: Path, merges: Path | None, vocab_size: int, code: Submission
) -> Tokens | None:
    """That of the merges if they are named; else what lies beside weights and fits, if anything.

    Raises LabError for merges that make more tokens than there are.
    """
    if merges is None:
        return beside(place if place.is_dir() else place.parent, vocab_size, code)
    tokens = GPT2Tokens(find_merges(merges), code, vocab_size)
    if tokens.known > vocab_size:
        raise LabError(f"{merges} makes {tokens.known} tokens, the model has {vocab_size}")
    return tokens


def beside(folder: Path, vocab_size: int, submission: Submission) -> Tokens | None:
    """The tokens of a model of so many, by the files in its folder; GPT-2's own if there are none.

    None if nothing fits. A vocabulary may be smaller than the model's, which was padded then.
    """
    if (folder / "meta.pkl").is_file():
        return _nanogpt(folder / "meta.pkl", vocab_size)
    if (folder / "tokenizer.json").is_file():
        model, added = _tokenizer_json(folder / "tokenizer.json")
        merges, numbers = _merges_of(model), model.get("vocab")
    else:
        try:
            merges = find_merges(folder)
        except LabError:
            tokens = GPT2Tokens(find_merges(None), submission)
            fits = 0 <= vocab_size - tokens.known <= _PADDING
            return GPT2Tokens(find_merges(None), submission, vocab_size) if fits else None
        numbers, added = _json(folder / "vocab.json"), _json(folder / "added_tokens.json")
    if merges is None:
        return None
    return _numbered(merges, numbers or {}, added, vocab_size, submission)


def _numbered(
    merges: str,
    numbers: Mapping[str, int],
    added: Mapping[str, int],
    vocab_size: int,
    submission: Submission,
) -> Tokens | None:
    """With further tokens, and the numbers that the files give; none: as GPT-2 gives them out."""
    plain = GPT2Tokens(merges, submission, special_tokens=())
    further = {**{name: n for name, n in numbers.items() if _is_special(name)}, **added}
    special = sorted(further, key=lambda name: further[name]) or [END_OF_TEXT]
    ids = None
    if numbers:
        symbols = [written(symbol) for symbol in plain.symbols()]
        everything = [*symbols, *special]
        known = {**further, **{name: numbers.get(name, -1) for name in symbols}}
        ids = [known[name] for name in everything]
        if min(ids) < 0 or max(ids) >= vocab_size or len(set(ids)) < len(ids):
            return None
    tokens = GPT2Tokens(merges, submission, vocab_size, special, ids)
    return tokens if tokens.known <= vocab_size else None


def _is_special(name: str) -> bool:
    """Whether a name in a vocab.json is no written symbol: <|endoftext|>, <pad>, [MASK]."""
    return len(name) > 2 and (name[0], name[-1]) in (("<", ">"), ("[", "]"))


def written(symbol: bytes) -> str:
    """A token as vocab.json writes it: each byte as a character that can be seen."""
    character_of = {byte: chr(number) for number, byte in byte_of_character().items()}
    return "".join(character_of[byte] for byte in symbol)


def _json(file: Path) -> dict[str, int]:
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): int(number) for name, number in found.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise LabError(f"{file} is no vocabulary: {error}") from error


def _tokenizer_json(file: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The model and the added tokens of Hugging Face's one file."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return found["model"], {one["content"]: one["id"] for one in found.get("added_tokens", [])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabError(f"{file} is no tokenizer: {error!r}") from error


def _merges_of(model: Mapping[str, Any]) -> str | None:
    """As a merges.txt; None where it is no byte-level BPE."""
    if model.get("type") != "BPE" or "Ġ" not in "".join(model.get("vocab", ())):
        return None
    pairs = [one if isinstance(one, str) else " ".join(one) for one in model["merges"]]
    return "\n".join(pairs) + "\n"


def _nanogpt(file: Path, vocab_size: int) -> Tokens | None:
    """The characters of nanoGPT's meta.pkl. Nothing in the file is run."""
    try:
        with open(file, "rb") as opened:
            characters = _Plain(opened).load()["itos"]
        text = "".join(characters[number] for number in range(len(characters)))
    except Exception as error:  # whatever a broken or a harmful pickle brings
        raise LabError(f"{file} is no meta.pkl of nanoGPT: {error!r}") from error
    fits = list(text) == sorted(set(text)) and len(text) <= vocab_size
    return Characters(text, vocab_size) if fits else None


class _Plain(pickle.Unpickler):
    """Of plain containers, numbers and texts only."""

    def find_class(self, module: str, name: str) -> Any:
        """Raises UnpicklingError: no class is plain."""
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")
