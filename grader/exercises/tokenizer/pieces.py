"""Wrong pre-tokens: what each named bug cuts a text into."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import partial

from grader.exercises.tokenizer.oracle import pieces

Cut = Callable[[str], Sequence[str]]

_CONTRACTIONS = r"'s|'t|'re|'ve|'m|'ll|'d"
_WORDS = r" ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+"
_SPACES = r"\s+(?!\S)|\s+"


def _by_kind(pattern: str) -> Cut:
    """A pattern of ASCII characters, each for all of its kind."""
    return partial(pieces, pattern=re.compile(pattern, re.ASCII))


def _as_it_is(pattern: str, flags: int = 0) -> Cut:
    """A pattern for Python's own re."""
    compiled = re.compile(pattern, flags)
    return lambda text: [found.group() for found in compiled.finditer(text)]


def _with_regex(pattern: str) -> Cut:
    """A pattern for the module regex, whose \\w has combining marks."""

    def cut(text: str) -> Sequence[str]:
        import regex  # only where a bug is to be named

        return [found.group() for found in regex.finditer(pattern, text)]

    return cut


def _of_changed(change: Callable[[str], str]) -> Cut:
    return lambda text: pieces(change(text))


def _numeric(text: str) -> Sequence[str]:
    """With what str.isnumeric() calls a number, such as 三."""
    alike = "".join("0" if not c.isascii() and c.isnumeric() else c for c in text)
    return _restored(text, pieces(alike))


def _marked(text: str) -> Sequence[str]:
    """With combining marks for letters."""
    alike = "".join("A" if unicodedata.category(c)[0] == "M" else c for c in text)
    return _restored(text, pieces(alike))


def _restored(text: str, cut: Sequence[str]) -> list[str]:
    """A text cut at the places at which another of the same length is."""
    found, start = [], 0
    for piece in cut:
        found.append(text[start : start + len(piece)])
        start += len(piece)
    return found


def _straightened(text: str) -> Sequence[str]:
    return _restored(text, pieces(text.replace("’", "'")))


def _prefixed(text: str) -> str:
    return text if text[:1] == " " else " " + text


_W = rf"{_CONTRACTIONS}| ?\w+| ?[^\s\w]+|{_SPACES}"
_LETTERS = rf"{_CONTRACTIONS}| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|{_SPACES}"
_ASCII = rf"{_CONTRACTIONS}|{_WORDS}|{_SPACES}"

# slug -> cuts with this bug
PIECES: dict[str, tuple[Cut, ...]] = {
    "no-pre-tokens": (
        lambda text: [text] if text else [],
        lambda text: [line for line in text.splitlines(keepends=True) if line],
    ),
    "spaces-lost": (
        str.split,
        _by_kind(rf"{_CONTRACTIONS}|{_WORDS}"),
        _by_kind(r"[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]+"),
        _as_it_is(r"\w+|[^\w\s]"),
        _as_it_is(r"\w+|[^\w\s]+"),
        _with_regex(r"\w+|[^\w\s]"),
        _with_regex(r"\w+|[^\w\s]+"),
    ),
    "only-spaces-cut": (
        _as_it_is(r" ?\S+|\s+(?!\S)|\s+"),
        _as_it_is(r"\S+|\s+"),
        _as_it_is(r"\s*\S+|\s+"),
        _as_it_is(r"\s?\S+|\s+"),
        _as_it_is(r"\S+\s*|\s+"),
    ),
    "contractions-any-case": (
        _by_kind(rf"(?i:{_CONTRACTIONS})|{_WORDS}|{_SPACES}"),
        _by_kind(rf"(?i:'[sdmt]|'ll|'ve|'re)|{_WORDS}|{_SPACES}"),
    ),
    "contractions-missing": (
        _by_kind(rf"{_WORDS}|{_SPACES}"),
        _by_kind(rf"'s|{_WORDS}|{_SPACES}"),
        _by_kind(rf"'s|'t|'re|'ve|'m|'ll|{_WORDS}|{_SPACES}"),
    ),
    "contractions-of-any-letters": (
        _by_kind(rf"'[A-Za-z]+|{_WORDS}|{_SPACES}"),
        _by_kind(rf"'[stmdrvl]+|{_WORDS}|{_SPACES}"),
        _by_kind(rf" ?(?:{_CONTRACTIONS})|{_WORDS}|{_SPACES}"),
        _straightened,
    ),
    "last-space-not-left": (
        _by_kind(rf"{_CONTRACTIONS}|{_WORDS}|\s+"),
        _by_kind(rf"{_CONTRACTIONS}|{_WORDS}|\s+$|\s+"),
    ),
    "spaces-one-by-one": (_by_kind(rf"{_CONTRACTIONS}|{_WORDS}|\s"),),
    "spaces-not-attached": (
        _by_kind(rf"{_CONTRACTIONS}|[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]+|{_SPACES}"),
        _by_kind(rf"{_CONTRACTIONS}|[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]+|\s+"),
        _by_kind(rf"{_CONTRACTIONS}| ?[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]+|{_SPACES}"),
        _by_kind(rf"{_CONTRACTIONS}| ?[A-Za-z]+| ?[0-9]+|[^\sA-Za-z0-9]+|{_SPACES}"),
    ),
    "any-space-attached": (
        _by_kind(rf"{_CONTRACTIONS}|\s?[A-Za-z]+|\s?[0-9]+|\s?[^\sA-Za-z0-9]+|{_SPACES}"),
    ),
    "digits-with-letters": (
        _by_kind(rf"{_CONTRACTIONS}| ?[A-Za-z0-9]+| ?[^\sA-Za-z0-9]+|{_SPACES}"),
    ),
    "digits-apart": (
        _by_kind(rf"{_CONTRACTIONS}| ?[A-Za-z]+| ?[0-9]| ?[^\sA-Za-z0-9]+|{_SPACES}"),
        _by_kind(rf"{_CONTRACTIONS}| ?[A-Za-z]+| ?[0-9]{{1,3}}| ?[^\sA-Za-z0-9]+|{_SPACES}"),
        _by_kind(rf"{_CONTRACTIONS}| ?[A-Za-z]+|[0-9]{{1,3}}| ?[^\sA-Za-z0-9]+|{_SPACES}"),
    ),
    "pattern-of-gpt-4": (
        _by_kind(
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\nA-Za-z0-9]?[A-Za-z]+|[0-9]{1,3}"
            r"| ?[^\sA-Za-z0-9]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
        ),
    ),
    "word-characters": (_as_it_is(_W), _with_regex(_W)),
    "letters-approximated": (
        _as_it_is(_LETTERS),
        _with_regex(_LETTERS),
        _as_it_is(rf"{_CONTRACTIONS}| ?[^\W\d_]+| ?\d+| ?[^\s\w]+|{_SPACES}"),
        _as_it_is(rf"{_CONTRACTIONS}| ?[^\W\d]+| ?\d+| ?[^\s\w]+|{_SPACES}"),
        _numeric,
        _marked,
    ),
    "ascii-only": (
        _as_it_is(_ASCII),
        _as_it_is(_ASCII, re.ASCII),
        _as_it_is(_W, re.ASCII),
        _as_it_is(_LETTERS, re.ASCII),
    ),
    "text-normalised": tuple(
        _of_changed(partial(unicodedata.normalize, form)) for form in ("NFC", "NFKC", "NFD", "NFKD")
    ),
    "text-stripped": (
        _of_changed(str.strip),
        _of_changed(str.rstrip),
        _of_changed(str.lstrip),
        _of_changed(lambda text: " ".join(text.split())),
        _of_changed(lambda text: re.sub(r"\s+", " ", text)),
        _of_changed(lambda text: re.sub(r" +", " ", text)),
    ),
    "text-lowercased": (_of_changed(str.lower), _of_changed(str.casefold)),
    "newlines-replaced": (
        _of_changed(lambda text: text.replace("\r\n", "\n")),
        _of_changed(lambda text: text.replace("\r\n", "\n").replace("\r", "\n")),
        _of_changed(lambda text: text.replace("\r", "")),
        _of_changed(lambda text: "\n".join(text.splitlines())),
        _of_changed(lambda text: text.replace("\n", " ")),
    ),
    "prefix-space-added": (
        _of_changed(_prefixed),
        _of_changed(lambda text: text and _prefixed(text)),
        _of_changed(lambda text: " " + text),
    ),
    "control-characters-lost": (
        _of_changed(lambda text: text.replace("\0", "")),
        _of_changed(lambda text: "".join(c for c in text if c.isprintable() or c.isspace())),
    ),
}
