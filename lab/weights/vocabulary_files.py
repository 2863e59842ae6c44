"""A vocabulary in the files that Hugging Face's tokenizers read."""

from __future__ import annotations

from typing import Any

from lab.data.tokens import Bytes, Characters, GPT2Tokens, Tokens
from lab.data.vocabularies import written


def vocabulary_files(tokens: Tokens, block_size: int) -> dict[str, Any]:
    """Names of files, and what is in them: JSON, or text as it is. None for mere numbers."""
    if isinstance(tokens, GPT2Tokens):
        symbols = [written(symbol) for symbol in tokens.symbols()]
        names = [*symbols, *tokens.special]
        vocab = dict(zip(names, tokens.ids, strict=True))
        return _byte_level(vocab, tokens.merges, tokens.special, block_size)
    if isinstance(tokens, Bytes):
        vocab = {written(bytes([byte])): byte for byte in range(256)}
        return _byte_level(vocab, "#version: 0.2\n", [], block_size)
    if isinstance(tokens, Characters):
        return _characters(tokens.characters, block_size)
    return {}


def _byte_level(
    vocab: dict[str, int], merges: str, special: list[str], block_size: int
) -> dict[str, Any]:
    """As GPT-2's own come."""
    ends = dict.fromkeys(("bos_token", "eos_token", "unk_token"), special[0] if special else None)
    return {
        "vocab.json": vocab,
        "merges.txt": merges if merges.startswith("#version") else f"#version: 0.2\n{merges}",
        "tokenizer_config.json": {
            "tokenizer_class": "GPT2Tokenizer",
            "model_max_length": block_size,
            **ends,
        },
    }


def _characters(characters: str, block_size: int) -> dict[str, Any]:
    """Each character a word of its own; any other has no number."""
    model = {
        "type": "WordLevel",
        "vocab": {character: number for number, character in enumerate(characters)},
        "unk_token": "\ufffd",
    }
    each = {"Regex": "[\\s\\S]"}
    nothing = dict.fromkeys(("truncation", "padding", "normalizer", "post_processor"))
    return {
        "tokenizer.json": {
            "version": "1.0",
            **nothing,
            "added_tokens": [],
            "pre_tokenizer": {
                **{"type": "Split", "pattern": each, "behavior": "Isolated", "invert": False}
            },
            "decoder": {"type": "Fuse"},
            "model": model,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": block_size,
            "clean_up_tokenization_spaces": False,
        },
    }
