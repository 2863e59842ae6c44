"""Which class a save was about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grader.catalogue import EXERCISES
from grader.watch.edited import edited

GPT2 = EXERCISES["gpt2"]


def test_the_class_whose_lines_changed(write: Callable[[str], Path], reference: str) -> None:
    before = GPT2.read(write(reference))
    other = GPT2.read(write(reference.replace("nn.GELU(", "nn.SiLU(")))
    assert edited(before, other, GPT2.names) == "MLP"
    assert edited(None, other, GPT2.names) == ""
    assert edited(before, GPT2.read(write(f"{reference}\nX = 1\n")), GPT2.names) == ""
    assert edited(before, GPT2.read(write(f"{reference}\nX = (\n")), GPT2.names) == ""
