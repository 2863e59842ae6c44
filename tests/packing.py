"""Right text in all the shapes in which it is handed in: files, folders, archives, notebooks."""

from __future__ import annotations

import html
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.bank import ROOT

RIGHT = (ROOT / "solutions" / "gpt2.py").read_text(encoding="utf-8")
STUB = (ROOT / "exercises" / "gpt2.py").read_text(encoding="utf-8")
_STARTS = [RIGHT.index(f"class {n}") for n in ("CausalSelf", "MLP", "TransformerB", "GPT2")]
HEAD = RIGHT[: _STARTS[0]]
ATTENTION, MLP, BLOCK, MODEL = (
    RIGHT[start:end] for start, end in zip(_STARTS, [*_STARTS[1:], None], strict=True)
)
Content = str | bytes
Build = Callable[[Path], Path]


def file(name: str, content: Content = RIGHT) -> Build:
    """One file."""
    return lambda where: _write(where / name, content)


def folder(files: Mapping[str, Content]) -> Build:
    """A folder with these files."""

    def build(where: Path) -> Path:
        for name, content in files.items():
            _write(where / "ada" / name, content)
        return where / "ada"

    return build


def packed(name: str, files: Mapping[str, Content]) -> Build:
    """An archive of these files, of the kind that its name says."""
    return lambda where: _write(where / name, archive(name, files))


def archive(name: str, files: Mapping[str, Content]) -> bytes:
    target = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(target, "w") as archive:
            for place, content in files.items():
                archive.writestr(place, content)
        return target.getvalue()
    kind = {"tar": "w", "bz2": "w:bz2", "xz": "w:xz"}.get(name.rsplit(".", 1)[-1], "w:gz")
    with tarfile.open(fileobj=target, mode=kind) as tar:  # type: ignore[call-overload]  # of a str
        for place, content in files.items():
            entry = tarfile.TarInfo(place)
            entry.size = len(_bytes(content))
            tar.addfile(entry, io.BytesIO(_bytes(content)))
    return target.getvalue()


def notebook(*cells: str | tuple[str, str], language: str = "python") -> str:
    """A notebook of code cells; a pair is (kind, text) of another cell."""
    told = [cell if isinstance(cell, tuple) else ("code", cell) for cell in cells]
    return json.dumps(
        {
            "cells": [
                {"cell_type": kind, "metadata": {}, "source": text.splitlines(keepends=True)}
                for kind, text in told
            ],
            "metadata": {"language_info": {"name": language}},
            "nbformat": 4,
        }
    )


def typed(text: str) -> str:
    """As the editors of platforms keep what is pasted into them."""
    lines = [line.lstrip(" ") for line in text.split("\n")]
    spaces = [len(line) - len(bare) for line, bare in zip(text.split("\n"), lines, strict=True)]
    rows = zip(spaces, lines, strict=True)
    return "<br />".join("&nbsp; " * (n // 2) + html.escape(line) for n, line in rows)


def kit(stub: str) -> dict[str, Content]:
    """All of the kit, as somebody hands it in who filled its stub, or did not."""
    return {
        "exercises/gpt2.py": stub,
        "exercises/README.md": "# GPT-2 from scratch",
        "solutions/gpt2.py": RIGHT,
        "grader/gpt2/models.py": RIGHT.replace("self.", "self.its_"),
        "tests/submissions/accepted/gpt2.py": RIGHT.replace("self.", "self.an_"),
        "README.md": "# The kit",
    }


def renamed(**names: str) -> str:
    """The right text with classes of other names."""
    text = RIGHT
    for name, own in names.items():
        text = re.sub(rf"\b{name}\b", own, text)
    return text


def _write(path: Path, content: Content) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_bytes(content))
    return path


def _bytes(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content


def linked(name: str, target: str) -> Build:
    """A folder in which one file is a link to another."""

    def build(where: Path) -> Path:
        _write(where / "ada" / target, RIGHT)
        (where / "ada" / name).symlink_to(target)
        return where / "ada"

    return build


def bare(*cells: str) -> str:
    """A notebook as editors write it that know little of it."""
    told = [{"cell_type": "code", "source": text} for text in cells]
    about = {"kernelspec": None, "language_info": None}
    return json.dumps({"cells": told, "metadata": about, "nbformat": 4, "nbformat_minor": 2})


PIECES: Sequence[str] = (HEAD, ATTENTION, MLP, BLOCK, MODEL)
NOTEBOOK = notebook(*PIECES)
# As `jupyter nbconvert --to script` writes what is IPython's own.
SAVED_BY_JUPYTER = (
    "#!/usr/bin/env python\n# coding: utf-8\n\n# In[1]:\n\n\n"
    "get_ipython().system('pip install torch')\n"
    "get_ipython().run_line_magic('matplotlib', 'inline')\n\n\n# In[2]:\n\n\n" + RIGHT
)
# As "Download .py" of Colab's menu has it.
SAVED_BY_COLAB = (
    '# -*- coding: utf-8 -*-\n"""Untitled3.ipynb\n\nAutomatically generated by Colab.\n\n'
    'Original file is located at\n    https://colab.research.google.com/drive/1a\n"""\n\n'
    "!pip install torch\n\nfrom google.colab import drive\n"
    f"drive.mount('/content/drive')\n\n{RIGHT}\ntext = open('input.txt').read()\n"
)
