"""Hand-ins as they arrive, built around one right text: where it lies, how it is packed, named,
encoded, split and called.
"""

from __future__ import annotations

import html
import re

from tests.packing import (
    ATTENTION,
    BLOCK,
    HEAD,
    MLP,
    MODEL,
    NOTEBOOK,
    PIECES,
    RIGHT,
    SAVED_BY_COLAB,
    SAVED_BY_JUPYTER,
    STUB,
    Build,
    Content,
    archive,
    bare,
    file,
    folder,
    kit,
    linked,
    notebook,
    packed,
    typed,
)

_MAC = {"__MACOSX/ada/._gpt2.py": b"\0\5"}
_SPLIT = {
    "attention.py": HEAD + ATTENTION,
    "mlp.py": HEAD + MLP,
    "block.py": f"{HEAD}from attention import CausalSelfAttention\nfrom mlp import MLP\n\n{BLOCK}",
}
_MAIN = f"{HEAD}from block import TransformerBlock\n\n{MODEL}"
_RELATIVE = {
    name: re.sub(r"^from (?=\w+ import [CMT][aLr])", "from .", text, flags=re.MULTILINE)
    for name, text in {**_SPLIT, "__init__.py": _MAIN}.items()
}
_TRAIN = "from gpt2 import GPT2\nmodel = GPT2(10, 8, 2, 1, 4)\nprint(model)\n"
_OTHER = RIGHT.replace("self.", "self.my_")

# What is to be read of each: the right text, so that its four classes are there.
FOUND: dict[str, Build] = {
    "as asked": file("gpt2.py"),
    "another name": file("my_solution.py"),
    "saved again": file("gpt2 (1).py"),
    "in capitals": file("GPT2.PY"),
    "windows hides endings": file("gpt2.py.txt"),
    "as a text": file("answer.txt"),
    "no ending": file("gpt2"),
    "folder, no ending": folder({"gpt2": RIGHT, "LICENSE": "mine"}),
    "folder, a file for each class": folder(
        {
            "attention.py": HEAD + ATTENTION,
            "mlp_and_block.py": HEAD + MLP + BLOCK,
            "model.py": HEAD + MODEL,
            "train.py": "import model\n",
        }
    ),
    "saved by Jupyter": file("work.py", SAVED_BY_JUPYTER),
    "saved by Colab": file("untitled3.py", SAVED_BY_COLAB),
    "folder, begun in one and ended in another": folder(
        {
            "gpt2.py": HEAD + ATTENTION + MLP,
            "rest_of_gpt2.ipynb": notebook("from gpt2 import *", HEAD, BLOCK, MODEL),
        }
    ),
    "folder, on a path of its own": folder(
        {
            "gpt2.py": f"import sys\nsys.path.insert(0, 'lib')\n{HEAD}from block import *\n{MODEL}",
            "lib/block.py": HEAD + ATTENTION + MLP + BLOCK,
        }
    ),
    "folder": folder({"gpt2.py": RIGHT}),
    "folder, final": folder({"gpt2_final_v3.py": RIGHT, "train.py": _TRAIN}),
    "folder, copy": folder({"Copy of gpt2.py": RIGHT}),
    "folder, in src": folder({"src/gpt2.py": RIGHT, "README.md": "mine"}),
    "folder, deep": folder({"a/b/c/gpt2.py": RIGHT}),
    "folder, other name": folder({"my_solution.py": RIGHT}),
    "folder, other name among others": folder(
        {"model.py": RIGHT, "train.py": "import torch\n\nclass Trainer:\n    pass\n"}
    ),
    "folder, endings hidden": folder({"gpt2.py.txt": RIGHT}),
    "folder, unparsable beside": folder({"gpt2.py": RIGHT, "ideas.py": "what if (\n"}),
    "folder, tests": folder(
        {"gpt2.py": RIGHT, "tests/test_gpt2.py": "import pytest\n", "setup.py": "import numpy\n"}
    ),
    "folder, virtualenv": folder(
        {"gpt2.py": RIGHT, "venv/lib/gpt2.py": "x", "env/lib/site-packages/gpt2.py": "x"}
    ),
    "folder, virtualenv of any name": folder(
        {"gpt2.py": RIGHT, "mine/pyvenv.cfg": "", "mine/Lib/x/answer.py": _OTHER}
    ),
    "folder, a link in it": linked("gpt2.py", "answer.py"),
    "folder, called test": folder({"test/gpt2.py": RIGHT}),
    "folder, only a test": folder({"test_gpt2.py": RIGHT, "notes.md": "mine"}),
    "folder, all of the kit": folder(kit(RIGHT)),
    "folder, the stub is still there": folder({"gpt2.py": STUB, "src/gpt2.py": RIGHT}),
    "folder, the same twice": folder({"a/gpt2.py": RIGHT, "b/gpt2.py": RIGHT + "\n"}),
    "folder, older ones deeper": folder({"gpt2.py": RIGHT, "old/gpt2.py": _OTHER}),
    "folder, name of the exercise for a script": folder({"gpt2.py": "x = 1\n", "model.py": RIGHT}),
    "folder, notebook": folder({"work.ipynb": NOTEBOOK, "README.md": "mine"}),
    "folder, notebook and its export": folder({"gpt2.ipynb": notebook("x = 1"), "gpt2.py": RIGHT}),
    "folder, zip in it": folder({"gpt2.zip": archive("gpt2.zip", {"gpt2.py": RIGHT})}),
    "package": folder({"gpt2/__init__.py": RIGHT}),
    "package, relative imports": folder({f"gpt2/{name}": text for name, text in _RELATIVE.items()}),
    "files that import one another": folder({**_SPLIT, "gpt2.py": _MAIN}),
    "files that import one another, none named": folder({**_SPLIT, "model.py": _MAIN}),
    "files of a package above": folder(
        {
            **{f"layers/{name}": text for name, text in _RELATIVE.items() if name[0] != "_"},
            "models/gpt2.py": f"{HEAD}from ..layers.block import TransformerBlock\n\n{MODEL}",
        }
    ),
    "imports from the top of a repository": folder(
        {
            "src/blocks.py": HEAD + ATTENTION + MLP + BLOCK,
            "src/gpt2.py": f"{HEAD}from src.blocks import TransformerBlock\n\n{MODEL}",
        }
    ),
    "zip": packed("ada.zip", {"gpt2.py": RIGHT}),
    "zip of a folder, from a Mac": packed("ada.zip", {"ada/gpt2.py": RIGHT, **_MAC}),
    "zip in a zip": packed("ada.zip", {"ada/hw.zip": archive("hw.zip", {"gpt2.py": RIGHT})}),
    "zip of a notebook": packed("ada.zip", {"ada/GPT2.ipynb": NOTEBOOK}),
    "zip with a broken one in it": packed("ada.zip", {"gpt2.py": RIGHT, "data.zip": b"no zip"}),
    "tar": packed("ada.tar", {"ada/gpt2.py": RIGHT}),
    "tar.gz": packed("ada.tar.gz", {"ada/gpt2.py": RIGHT}),
    "tar.bz2": packed("ada.tar.bz2", {"ada/gpt2.py": RIGHT}),
    "tar.xz": packed("ada.tar.xz", {"ada/gpt2.py": RIGHT}),
    "folder, tar.xz in it": folder({"hw.tar.xz": archive("hw.tar.xz", {"gpt2.py": RIGHT})}),
    "zip called tar.gz": file("ada.tar.gz", archive("ada.zip", {"gpt2.py": RIGHT})),
    "tar.gz called zip": file("ada.zip", archive("ada.tar.gz", {"gpt2.py": RIGHT})),
    "zip called .py": file("gpt2.py", archive("ada.zip", {"ada/gpt2.py": RIGHT})),
    "zip of Windows": packed(
        "ada.zip", {"ada\\": "", "ada\\src\\gpt2.py": RIGHT, "ada\\README.txt": "mine"}
    ),
    "zip with a virtualenv of any name": packed(
        "ada.zip",
        {"a/answer.py": RIGHT, "a/mine/pyvenv.cfg": "", "a/mine/Lib/gpt2.py": _OTHER},
    ),
    "tgz, other name": packed("ada.tgz", {"ada/answer.py": RIGHT}),
    "notebook": file("gpt2.ipynb", NOTEBOOK),
    "notebook as .ipynb.json": file("gpt2.ipynb.json", NOTEBOOK),
    "notebook as .ipynb.txt": file("gpt2.ipynb.txt", NOTEBOOK),
    "notebook, bare": file("gpt2.ipynb", bare(*PIECES)),
    "notebook as .py": file("gpt2.py", NOTEBOOK),
    "notebook, magics and prose": file(
        "gpt2.ipynb",
        notebook(
            ("markdown", "# Mine"),
            "%matplotlib inline\n!pip install -q torch \\\n  numpy\n?print\n",
            "%%bash\nls -l 'it is\n",
            f"%%time\n{HEAD}",
            *PIECES[1:],
            "GPT2??",
        ),
    ),
    "notebook, runs": file(
        "gpt2.ipynb",
        notebook(
            *PIECES,
            "text = open('input.txt').read()\nmodel = GPT2(65, 8, 2, 1, 4)\n",
            "for step in range(10**9):\n    model(step)\n",
            "import matplotlib.pyplot as plt\nplt.plot([1])",
        ),
    ),
    "notebook, a cell that is no Python": file("gpt2.ipynb", notebook(*PIECES, "def try(:")),
    "notebook, written with a magic": file("gpt2.ipynb", notebook(f"%%writefile gpt2.py\n{RIGHT}")),
    "notebook, one after the other": file(
        "gpt2.ipynb", notebook(*PIECES[:2], MLP.replace("4 *", "3 *"), *PIECES[2:])
    ),
    "byte order mark": file("gpt2.py", b"\xef\xbb\xbf" + RIGHT.encode()),
    "UTF-16": file("gpt2.py", RIGHT.encode("utf-16")),
    "UTF-16 without a mark": file("gpt2.py", RIGHT.encode("utf-16-le")),
    "Latin-1, declared": file(
        "gpt2.py", f"# -*- coding: latin-1 -*-\n# für später\n{RIGHT}".encode("latin-1")
    ),
    "Latin-1, not declared": file(
        "gpt2.py", f"import torch\n# für später\n{RIGHT}".encode("latin-1")
    ),
    "ends of lines of Windows": file("gpt2.py", RIGHT.replace("\n", "\r\n")),
    "ends of lines of old Macs": file("gpt2.py", RIGHT.replace("\n", "\r")),
    "tabs": file("gpt2.py", RIGHT.replace("    ", "\t")),
    "ends as on DOS, or in a block": file("gpt2.py", f"{RIGHT}\x1a\0\0"),
    "spaces of web pages": file("gpt2.py", "\u200b" + RIGHT.replace("    ", "\xa0\xa0 \xa0")),
    "a web page of a text": file(
        "gpt2.html", f"<html><body><pre>{html.escape(RIGHT)}</pre></body>"
    ),
    "a web page as .py": file("gpt2.py", f"<html><body><pre>{html.escape(RIGHT)}</pre></body>"),
    "a platform's editor": file("text.html", f"<p>{typed(RIGHT)}</p>"),
    "a platform's editor, titled": file(
        "text.html", f"<html><h1>GPT-2: Ada</h1><div>\n<p>{typed(RIGHT)}</p></div></html>"
    ),
    "a platform's editor, a paragraph a line": file(
        "text.html", "".join(f"<p>{typed(line) or '<br>'}</p>\n" for line in RIGHT.split("\n"))
    ),
    "a platform's editor, plain": file("text.html", html.escape(RIGHT).replace("\n", "<br />\n")),
    "a platform's editor, with words": file(
        "text.html", f"<p>My answer:</p><pre><code>{html.escape(RIGHT)}</code></pre><p>Ada</p>"
    ),
    "fences": file("gpt2.py", f"Here it is:\n\n```python\n{RIGHT}```\nDone!\n"),
    "fences, in Markdown": file("answer.md", f"# Mine\n\n```python\n{RIGHT}```\n"),
    "prompts": file(
        "gpt2.py",
        "\n".join(
            f"{'...' if line.startswith(' ') else '>>>'} {line}" for line in RIGHT.split("\n")
        ),
    ),
}


def _nested(depth: int) -> Build:
    """An archive in an archive in an archive."""
    inside: Content = RIGHT
    for number in range(depth):
        inside = archive("a.zip", {f"{number}.zip" if number else "gpt2.py": inside})
    return file("ada.zip", inside)


# What is not to be guessed, or not to be read: the words that say so.
REFUSED: dict[str, tuple[Build, tuple[str, ...]]] = {
    "two of equal right": (
        folder({"a/gpt2.py": RIGHT, "b/gpt2.py": _OTHER}),
        ("a/gpt2.py", "b/gpt2.py"),
    ),
    "two attempts": (
        folder({"gpt2.py": RIGHT, "gpt2 (1).py": _OTHER}),
        ("gpt2.py", "gpt2 (1).py"),
    ),
    "two of other names": (
        folder({"mine.py": RIGHT, "better.py": _OTHER}),
        ("better.py", "mine.py"),
    ),
    "two in a tar": (
        packed("ada.tgz", {"one.py": RIGHT, "two.py": _OTHER}),
        ("ada.tgz", "one.py", "two.py"),
    ),
    "nothing": (folder({"Thumbs.db": b"\0"}), ("found no Python file",)),
    "prose": (file("answer.txt", "I did not manage."), ("not a Python file",)),
    "a picture": (file("answer.png", b"\x89PNG"), ("a picture",)),
    "a broken archive alone": (
        folder({"hw.zip": b"no zip"}),
        ("found no Python file", "hw.zip: not a zip archive"),
    ),
    "a broken tar": (file("ada.tar.gz", b"no tar"), ("not a tar archive",)),
    "an archive of another kind": (file("gpt2.7z", b"7z\xbc\xaf"), ("pack it as zip",)),
    "an archive of another kind in a folder": (
        folder({"hw.rar": b"Rar!", "note.txt": "see there"}),
        ("hw.rar: an archive of a kind that is not read",),
    ),
    "another kind called zip": (file("gpt2.zip", b"Rar!\x1a\7"), ("It is a RAR archive",)),
    "a tar.xz cut off": (
        file("ada.tar.xz", archive("ada.tar.xz", {"gpt2.py": RIGHT})[:-40]),
        ("not a tar archive", "Get it once more"),
    ),
    "archives too deep": (_nested(5), ("found no Python file", "so deep in others")),
    "a document": (file("gpt2.docx", b"PK\3\4"), ("a Word document", "Copy the code")),
    "a link out of it": (linked("gpt2.py", "../../secret.py"), ("a symbolic link",)),
    "words on a page": (
        file("text.html", "<p>See <a href='https://x.org/gpt2'>mine</a>.</p>"),
        ("It links to https://x.org/gpt2",),
    ),
    "a tar that leaves its folder": (
        packed("ada.tar", {"../gpt2.py": RIGHT}),
        ("lies outside",),
    ),
}

# What is said where the text itself cannot be read.
UNREAD: dict[str, tuple[Build, str]] = {
    "another language": (
        file("gpt2.ipynb", notebook("x <- 1", language="R")),
        "its language is R",
    ),
    "no notebook": (file("gpt2.ipynb", "{"), "not a notebook that can be read"),
    "neither UTF-8 nor Python": (
        file("gpt2.py", "%!PS-1.4\nfür später (".encode("latin-1")),
        "line 2: a byte that is not UTF-8",
    ),
    "a web page": (file("gpt2.py", "<!DOCTYPE html>\n<html>class MLP</html>"), "a web page"),
    "a PDF document": (file("gpt2.py", b"%PDF-1.7\n\xe2\xe3"), "a PDF document"),
    "a word processor's": (file("gpt2.py", "{\\rtf1\\ansi class MLP}"), "RTF"),
    "an encoding that is none": (
        file("gpt2.py", f"# coding: klingon\n{RIGHT}"),
        "declares the encoding klingon",
    ),
}
