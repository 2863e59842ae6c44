"""What people hand in for gpt2, and what comes of it, wherever it is exported from."""

from __future__ import annotations

import html
from collections.abc import Mapping

from tests.packing import (
    HEAD,
    NOTEBOOK,
    PIECES,
    RIGHT,
    SAVED_BY_COLAB,
    SAVED_BY_JUPYTER,
    STUB,
    Content,
    archive,
    kit,
    notebook,
    typed,
)

_OTHER = RIGHT.replace("self.", "self.my_")
_BROKEN = RIGHT.replace("class MLP(nn.Module):", "class MLP(nn.Module:")
PNG, PDF = b"\x89PNG\r\n\x1a\n", b"%PDF-1.7\n\xe2\xe3"
_BLOCKS = RIGHT[: RIGHT.index("class GPT2")]
_MODEL = HEAD + "from blocks import TransformerBlock\n\n" + RIGHT[RIGHT.index("class GPT2") :]
Files = Mapping[str, Content]

# What people hand in, and what comes of it: "pass", "fail" or "ungraded". First what is one file.
SINGLE: dict[str, tuple[Files, str]] = {
    "as asked": ({"gpt2.py": RIGHT}, "pass"),
    "another name": ({"my_solution.py": RIGHT}, "pass"),
    "in capitals": ({"GPT2.PY": RIGHT}, "pass"),
    "saved again": ({"gpt2 (1).py": RIGHT}, "pass"),
    "final": ({"gpt2_final_v2.py": RIGHT}, "pass"),
    "copied": ({"gpt2 - Kopie.py": RIGHT}, "pass"),
    "endings hidden": ({"gpt2.py.txt": RIGHT}, "pass"),
    "as a text": ({"solution.txt": RIGHT}, "pass"),
    "notebook": ({"gpt2.ipynb": NOTEBOOK}, "pass"),
    "Colab's export": ({"Untitled3.ipynb": notebook("!pip install torch", *PIECES)}, "pass"),
    "notebook called .py": ({"gpt2.py": NOTEBOOK}, "pass"),
    "byte order mark": ({"gpt2.py": b"\xef\xbb\xbf" + RIGHT.encode()}, "pass"),
    "no ending": ({"gpt2": RIGHT}, "pass"),
    "saved by Jupyter": ({"gpt2.py": SAVED_BY_JUPYTER}, "pass"),
    "saved by Colab": ({"untitled3.py": SAVED_BY_COLAB}, "pass"),
    "web page": ({"gpt2.py": "<!DOCTYPE html>\n<html><body>class MLP</body></html>"}, "ungraded"),
    "RTF": ({"gpt2.rtf": "{\\rtf1\\ansi class MLP}"}, "ungraded"),
    "UTF-16": ({"gpt2.py": RIGHT.encode("utf-16")}, "pass"),
    "Windows": ({"gpt2.py": RIGHT.replace("\n", "\r\n")}, "pass"),
    "zip": ({"homework.zip": archive("a.zip", {"gpt2.py": RIGHT})}, "pass"),
    "zip of a folder": ({"hw.zip": archive("a.zip", {"hw/src/gpt2.py": RIGHT})}, "pass"),
    "zip in a zip": (
        {"a.zip": archive("a.zip", {"b.zip": archive("b.zip", {"gpt2.py": RIGHT})})},
        "pass",
    ),
    "tar.gz": ({"gpt2.tar.gz": archive("a.tar.gz", {"gpt2/gpt2.py": RIGHT})}, "pass"),
    "zip of several files": (
        {"a.zip": archive("a.zip", {"blocks.py": _BLOCKS, "gpt2.py": _MODEL})},
        "pass",
    ),
    "zip from a Mac": (
        {"a.zip": archive("a.zip", {"gpt2.py": RIGHT, "__MACOSX/._gpt2.py": b"\0\5"})},
        "pass",
    ),
    "tar.xz": ({"gpt2.tar.xz": archive("a.tar.xz", {"gpt2/gpt2.py": RIGHT})}, "pass"),
    "tar.bz2": ({"gpt2.tar.bz2": archive("a.tar.bz2", {"gpt2/gpt2.py": RIGHT})}, "pass"),
    "zip called .py": ({"gpt2.py": archive("a.zip", {"gpt2.py": RIGHT})}, "pass"),
    "zip from Windows": ({"a.zip": archive("a.zip", {"hw\\src\\gpt2.py": RIGHT})}, "pass"),
    "saved by a browser": ({"gpt2.html": f"<pre>{html.escape(RIGHT)}</pre>"}, "pass"),
    "typed into an editor": ({"text.html": f"<p>{typed(RIGHT)}</p>"}, "pass"),
    "notebook as JSON": ({"gpt2.ipynb.json": NOTEBOOK}, "pass"),
    "spaces of a web page": ({"gpt2.py": RIGHT.replace("    ", "\xa0 \xa0 ")}, "pass"),
    "all of the kit": ({"kit.zip": archive("a.zip", kit(RIGHT))}, "pass"),
    "the kit as it was": ({"kit.zip": archive("a.zip", kit(STUB))}, "fail"),
    "a page of words": ({"answer.html": "<p>See my repository.</p>"}, "ungraded"),
    "7z": ({"gpt2.7z": b"7z\xbc\xaf"}, "ungraded"),
    "the stub": ({"gpt2.py": STUB}, "fail"),
    "does not parse": ({"gpt2.py": _BROKEN}, "fail"),
    "two in a zip": ({"a.zip": archive("a.zip", {"a.py": RIGHT, "b.py": _OTHER})}, "ungraded"),
    "no archive": ({"gpt2.zip": b"not a zip"}, "ungraded"),
    "PDF": ({"gpt2.pdf": PDF}, "ungraded"),
    "screenshot": ({"IMG_0042.png": PNG}, "ungraded"),
    "Word": ({"gpt2.docx": b"PK\3\4"}, "ungraded"),
    "RAR": ({"gpt2.rar": b"Rar!\x1a\7"}, "ungraded"),
    "empty": ({"gpt2.py": ""}, "ungraded"),
    "other homework": ({"sorting.py": "def bubble(x):\n    return sorted(x)\n"}, "ungraded"),
    "excuses": ({"sorry.txt": "I was ill, please see my mail."}, "ungraded"),
    "notebook of R": ({"gpt2.ipynb": notebook("x <- 1", language="R")}, "ungraded"),
}
# And what is several.
SEVERAL: dict[str, tuple[Files, str]] = {
    "with a report": ({"gpt2.py": RIGHT, "report.pdf": PDF}, "pass"),
    "with a picture": ({"gpt2.py": RIGHT, "loss.png": PNG}, "pass"),
    "split": ({"blocks.py": _BLOCKS, "gpt2.py": _MODEL}, "pass"),
    "with a script": ({"model.py": RIGHT, "train.py": "from model import GPT2\n"}, "pass"),
    "notebook and export": ({"gpt2.ipynb": notebook("x = 1"), "gpt2.py": RIGHT}, "pass"),
    "with scrap": ({"gpt2.py": RIGHT, "scrap.py": "what if (\n"}, "pass"),
    "the stub and the answer": ({"gpt2.py": STUB, "answer.py": RIGHT}, "pass"),
    "two answers": ({"gpt2.py": RIGHT, "gpt2 (1).py": _OTHER}, "ungraded"),
    "pictures only": ({"1.png": PNG, "2.png": PNG}, "ungraded"),
}
# And what only comes in folders.
FOLDERS: dict[str, tuple[Files, str]] = {
    "in src": ({"src/gpt2.py": RIGHT, "README.md": "mine"}, "pass"),
    "package": ({"gpt2/__init__.py": RIGHT}, "pass"),
    "with tests": ({"gpt2.py": RIGHT, "tests/test_gpt2.py": "import pytest\n"}, "pass"),
    "with a virtualenv": ({"gpt2.py": RIGHT, "venv/lib/gpt2.py": _OTHER}, "pass"),
    "with older ones": ({"gpt2.py": RIGHT, "old/gpt2.py": _OTHER}, "pass"),
    "with a virtualenv of any name": (
        {"gpt2.py": RIGHT, "mine/pyvenv.cfg": "", "mine/lib/gpt2.py": _OTHER},
        "pass",
    ),
    "in a folder test": ({"test/gpt2.py": RIGHT}, "pass"),
    "whole kit": (kit(RIGHT), "pass"),
    "whole kit, untouched": (kit(STUB), "fail"),
    "compiled": ({"__pycache__/gpt2.cpython-312.pyc": b"\xcb", "gpt2.pyc": b"\xcb"}, "ungraded"),
    "two of equal right": ({"a/gpt2.py": RIGHT, "b/gpt2.py": _OTHER}, "ungraded"),
}
