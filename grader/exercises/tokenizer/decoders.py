"""Wrong ways to decode: what each named bug gives, so that it is known by equality."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grader.exercises.tokenizer.oracle import Tokenizer

Decoder = Callable[[Tokenizer, Sequence[int]], str]


def _joined(tokenizer: Tokenizer, ids: Sequence[int]) -> bytes:
    return b"".join(map(tokenizer.bytes_of_id, ids))


def _by_token(tokenizer: Tokenizer, ids: Sequence[int], errors: str = "replace") -> str:
    return "".join(tokenizer.bytes_of_id(id).decode("utf-8", errors) for id in ids)


def _without_special(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    return tokenizer.decode([id for id in ids if id < tokenizer.first_special])


def _plain_order(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    parts = (bytes([id]) if id < 256 else tokenizer.bytes_of_id(id) for id in ids)
    return b"".join(parts).decode("utf-8", "replace")


def _only_known(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """Bytes as the characters by which GPT-2's files write them."""
    return "".join(
        chr(id if id < 188 else 256 + id - 188)
        for part in map(tokenizer.bytes_of_id, ids)
        for id in (tokenizer.ids[part[i : i + 1]] for i in range(len(part)))
    )


def _renumbered(tokenizer: Tokenizer, ids: Sequence[int], tokens: Sequence[str]) -> str:
    """Special tokens have their ids in another order."""
    return Tokenizer(tokenizer.merges, tokens).decode(ids)


# slug -> decoders that have this bug
DECODERS: dict[str, tuple[Decoder, ...]] = {
    "decodes-token-by-token": (_by_token, lambda t, ids: _by_token(t, ids, "ignore")),
    "bad-bytes-left-out": (lambda t, ids: _joined(t, ids).decode("utf-8", "ignore"),),
    "bad-bytes-written-otherwise": (
        lambda t, ids: _joined(t, ids).decode("utf-8", "backslashreplace"),
        lambda t, ids: _joined(t, ids).decode("utf-8", "replace").replace("\ufffd", "?"),
        lambda t, ids: _joined(t, ids).decode("utf-8", "surrogateescape"),
    ),
    "latin-1": (lambda t, ids: _joined(t, ids).decode("latin-1"),),
    "bytes-in-plain-order": (_plain_order,),
    "decoded-bytes-as-characters": (_only_known,),
    "spaces-between-tokens": (
        lambda t, ids: " ".join(t.bytes_of_id(id).decode("utf-8", "replace") for id in ids),
    ),
    "decoded-text-changed": (
        lambda t, ids: t.decode(ids).strip(),
        lambda t, ids: t.decode(ids).lstrip(),
        lambda t, ids: t.decode(ids).rstrip(),
        lambda t, ids: t.decode(ids).replace("\ufeff", ""),
        lambda t, ids: t.decode(ids).replace("\r\n", "\n"),
        lambda t, ids: t.decode(ids).replace("\0", ""),
    ),
    "special-lost-in-decoding": (_without_special,),
    "special-ids-misplaced": (
        lambda t, ids: _renumbered(t, ids, sorted(t.special_tokens)),
        lambda t, ids: _renumbered(t, ids, t.special_tokens[::-1]),
        lambda t, ids: _renumbered(t, ids, sorted(t.special_tokens, key=len, reverse=True)),
    ),
}
