"""GPT-2's tokenizer in the oracle is GPT-2's, and what is drawn means the same everywhere."""

from __future__ import annotations

import bz2
import functools
import hashlib
import subprocess
import sys
import unicodedata

import pytest
import regex
import tiktoken
from hypothesis import given, settings

from grader.bugs import CAUSES
from grader.exercises.tokenizer import texts
from grader.exercises.tokenizer.decoders import DECODERS
from grader.exercises.tokenizer.forms import ENCODERS
from grader.exercises.tokenizer.gpt2_merges import FILE, SHA256, gpt2_merges
from grader.exercises.tokenizer.oracle import Trainer, gpt2_tokenizer, kind, pieces
from grader.exercises.tokenizer.special import alike
from grader.exercises.tokenizer.trainers import TRAINERS
from grader.submission import read
from tests.bank import ROOT
from tests.test_docs import blocks

PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


@functools.cache
def reference() -> tiktoken.Encoding:
    ours = gpt2_tokenizer()
    return tiktoken.Encoding(
        "gpt2",
        pat_str=PATTERN,
        mergeable_ranks=dict(ours.ids),
        special_tokens={"<|endoftext|>": 50256},
    )


def test_merges_are_openais() -> None:
    assert hashlib.sha256(bz2.decompress(FILE.read_bytes())).hexdigest() == SHA256
    assert len(gpt2_merges()) == 50_000


@pytest.mark.parametrize("text", [*texts.PROBES, *texts.CUTS, "".join(texts.PIECES)], ids=ascii)
def test_known_texts_are_encoded_as_by_tiktoken(text: str) -> None:
    agrees(text)


@settings(max_examples=300, deadline=None)
@given(text=texts.texts(12))
def test_any_text_is_encoded_as_by_tiktoken(text: str) -> None:
    agrees(text)


def test_special_tokens_that_are_bytes_or_merges_are_encoded_as_by_tiktoken() -> None:
    ours = alike().right
    special = {token: ours.special_id(token) for token in ours.special_tokens}
    theirs = tiktoken.Encoding(
        "alike", pat_str=PATTERN, mergeable_ranks=dict(ours.ids), special_tokens=special
    )
    text = "low7|é <|end|> slow 7low"
    assert ours.encode(text) == theirs.encode(text, disallowed_special=())
    ids = ours.encode(text, True)
    assert ids == theirs.encode(text, allowed_special="all")
    assert ours.decode(ids) == theirs.decode(ids) == text


def agrees(text: str) -> None:
    ours = gpt2_tokenizer()
    ids = ours.encode(text)
    assert ids == reference().encode_ordinary(text)
    assert ours.encode(text, True) == reference().encode(text, allowed_special="all")
    assert ours.decode(ids) == reference().decode(ids) == text
    assert pieces(text) == regex.findall(PATTERN, text)
    assert ours.is_clear(text)


def test_characters_mean_the_same_in_old_and_new_unicode() -> None:
    old = unicodedata.ucd_3_2_0
    drawn = {chr(c) for first, last in texts.RANGES for c in range(first, last + 1)}
    for c in drawn | set("".join((*texts.PIECES, *texts.PROBES, *texts.CUTS))):
        categories = [database.category(c)[0] for database in (old, unicodedata)]
        is_space = bool(regex.match(r"\s", c))
        assert c.isspace() == is_space == (kind(c).isspace()), ascii(c)
        for major in "LN":
            found = bool(regex.match(rf"\p{{{major}}}", c))
            assert [category == major for category in categories] == [found, found], ascii(c)


def test_bugs_are_in_the_catalogue() -> None:
    assert {*TRAINERS, *ENCODERS, *DECODERS} <= set(CAUSES)


def test_every_wrong_trainer_is_wrong_somewhere() -> None:
    for slug, wrongs in TRAINERS.items():
        for wrong in wrongs:
            assert any(
                wrong().train(text, 280) != Trainer().train(text, 280)
                for text in (*texts.PROBES, *texts.CUTS, "ab cd ef AB \nz", "éa éa ~\n")
            ), (slug, wrong)


def test_the_module_regex_is_allowed_here_only() -> None:
    path = ROOT / "solutions" / "tokenizer.py"
    assert not read(path, "tokenizer.py", imports=("regex",)).violations
    assert read(path, "tokenizer.py").violations


@pytest.mark.parametrize("example", blocks("exercises/tokenizer.md", "python"))
def test_example_of_the_brief(example: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=ROOT / "solutions",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    promised = [line.split("  # ")[-1].strip() for line in example.splitlines() if "print(" in line]
    assert done.stdout.split("\n")[:-1] == promised
