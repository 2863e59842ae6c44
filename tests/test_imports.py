"""Files whose import stops halfway, that do not parse, or that use what is not allowed: what each
costs, and what the report says.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from grader.results import Report
from grader.submission import read
from grader.submission.reach import Program
from grader.submission.syntax import SyntaxProblem, parse, readable
from tests.conftest import Grade

Write = Callable[[str], Path]
CLASSES = ("CausalSelfAttention", "MLP", "TransformerBlock", "GPT2")


@dataclass(frozen=True)
class Slip:
    """Lines around the reference, or an edit of it; the points, and words of the report."""

    name: str
    points: float
    says: str = ""
    after: str = ""
    before: str = ""
    old: str = ""
    new: str = ""

    def __str__(self) -> str:
        return self.name

    def of(self, reference: str) -> str:
        assert self.old in reference
        text = reference.replace(self.old, self.new) if self.old else reference
        return f"{self.before}\n{text}\n{self.after}\n"


def _after(name: str, lines: str, says: str, points: float = 98) -> Slip:
    return Slip(name, points, says, after=lines)


STOPS = (
    _after("exit", "import sys\nsys.exit(0)", "(`sys.exit(0)`) ends the program"),
    _after("while_true", "while True:\n    pass", "(`while True:`) runs for ever"),
    _after("log", "log = open('log.txt', 'w')", "opened log.txt to write"),
    Slip("exit_first", 98, "ends the program", before="import sys\nif True:\n    sys.exit()"),
    _after("quit", "quit()", "(`quit()`) "),
    _after("exit_by_raise", "raise SystemExit(1)", "ends the program"),
    _after("os_exit", "import os\nos._exit(0)", "exit code 0"),
    _after("input", "name = input('Your name? ')", "waits for input"),
    _after("missing_text", "text = open('input.txt').read()", "FileNotFoundError"),
    _after("missing_text_with", "with open('a') as f:\n    text = f.read()", "(`with open('a')"),
    _after("saves", "torch.save(GPT2(9, 8, 2, 1, 4).state_dict(), 'm.pt')", "opened a file"),
    _after("folder", "import os\nos.makedirs('out')", "changed a file"),
    _after(
        "download",
        "from urllib.request import urlretrieve\nurlretrieve('http://localhost/a', 'a')",
        "used the network",
    ),
    _after("install", "import os\nos.system('pip install einops')", "started a process"),
    _after(
        "arguments",
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--n', required=True)\n"
        "args = p.parse_args()",
        "ends the program",
    ),
    _after("assert", "assert GPT2(9, 8, 2, 1, 4) is None", "AssertionError"),
    _after("name", "print(undefined_name)", "NameError"),
    _after("training", "for step in range(10**9):\n    x = step", "runs for ever"),
    _after("sleep", "import time\ntime.sleep(1000)", "runs for ever"),
    Slip("missing_at_top", 98, "not installed", before="import no_such\nno_such.go()"),
    Slip("class", 85, "AttributeError", old="class MLP(nn.Module)", new="class MLP(nn.Modul)"),
)
BROKEN = (
    Slip(
        "mlp_bracket", 85, "was never closed", old="down_proj(hidden))\n", new="down_proj(hidden)\n"
    ),
    _after("print", 'print "done"', "Missing parentheses"),
    _after("half_call", "model = GPT2(", "was never closed"),
    Slip("colon", 85, "expected ':'", old="class MLP(nn.Module):", new="class MLP(nn.Module)"),
    Slip("first_line", 98, "invalid syntax", before="this is my solution"),
)
POLICY = (
    Slip("unused", 100, before="import numpy as np, no_such\nfrom no_such.sub import thing"),
    Slip(
        "annotation",
        100,
        before="from __future__ import annotations\nfrom no_such import Float",
        old="def forward(self, x: torch.Tensor)",
        new="def forward(self, x: Float[torch.Tensor, 'b t c'])",
    ),
    Slip("scale", 98, "imports numpy", before="import numpy as np", old="math.sqrt", new="np.sqrt"),
    Slip(
        "missing",
        85,
        "the package no_such is not installed",
        before="from no_such import gelu",
        old="self.activation(self.up_proj(x))",
        new="gelu(self.up_proj(x))",
    ),
    Slip(
        "numpy_at_work",
        85,
        "MLP is not written from scratch",
        before="import numpy as np",
        old="self.activation(self.up_proj(x))",
        new="self.activation(torch.from_numpy(np.asarray(self.up_proj(x).detach())))",
    ),
    Slip(
        "layer_as_secret",
        80,
        "TransformerBlock is not written from scratch",
        old="        self.attn_norm = nn",
        new="        self.secret = vars(nn)['Multihead' + 'Attention'](embed_dim, num_heads)\n"
        "        self.attn_norm = nn",
    ),
)


def _some(slips: Sequence[Slip], few: int) -> list[object]:
    """The slips as parameters, of which by default only the first few count."""
    marks = [() if k < few else (pytest.mark.whole_bank,) for k in range(len(slips))]
    return [pytest.param(s, id=str(s), marks=m) for s, m in zip(slips, marks, strict=True)]


def _said(report: Report) -> str:
    return "\n".join(result.message for result in report.results)


@pytest.mark.parametrize("slip", [*_some(STOPS, 4), *_some(BROKEN, 2), *_some(POLICY, 3)])
def test_costs_what_it_should(judge: Grade, write: Write, reference: str, slip: Slip) -> None:
    report = judge(write(slip.of(reference)))
    assert report.score == slip.points, _said(report)
    assert report.verdict == ("pass" if slip.points == 100 else "fail")
    assert slip.says in _said(report)
    assert not {result.status for result in report.results} & {"internal", "protocol"}


def test_a_loop_at_import_ends_soon(judge: Grade, write: Write, reference: str) -> None:
    report = judge(write(f"{reference}\nwhile True:\n    pass\n"))
    assert report.seconds < 60
    line = len(f"{reference}\n".splitlines()) + 1
    assert f"line {line} of gpt2.py" in _said(report)


def test_what_is_not_python_says_so_once(judge: Grade, write: Write) -> None:
    report = judge(write("class GPT2(:\n    pass\n"))
    assert report.unreadable.splitlines()[0] == "gpt2.py, line 1: invalid syntax"
    assert report.unreadable.endswith("Nothing else was looked at.")
    assert [r.check.id for r in report.results if r.message] == ["gpt2.imports"]
    assert not report.diagnoses
    assert not report.undiagnosed


def test_an_extension_that_stops(judge: Grade, tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "solutions" / "generation.py").read_text("utf-8")
    path = tmp_path / "generation.py"
    path.write_text(f"{text}\nimport sys\nsys.exit()\n", "utf-8")
    report = judge(path, exercise="generation")
    assert report.score == 99
    assert "ends the program" in _said(report)


PARSED = {
    "class A:\nclass B:\n    pass\n": ({"A"}, 1),
    "class A:\n    def f(self):\n        return (1\nclass B:\n    pass\n": ({"A"}, 3),
    "try:\n    x = 1\nclass B:\n    pass\n": (set(), 2),
    'class A:\n    """half\nclass B:\n    pass\n': ({"A"}, 2),
    "@d\nclass A(:\n    pass\n@d\nclass B: pass\n": ({"A"}, 2),
    "x = f(\na,\nb)\nclass A(:\n    pass\n": ({"A"}, 4),
    '"""words\nand more\nclass of their own\n"""\nprint "x"\n': (set(), 5),
}


@pytest.mark.parametrize("text", PARSED)
def test_the_rest_of_a_file_can_be_read(text: str) -> None:
    assert isinstance(parse("gpt2.py", text.encode()), SyntaxProblem)
    found = readable("gpt2.py", text.encode())
    assert found is not None
    lost, line = PARSED[text]
    assert set(found.lost) == lost
    assert [problem.line for problem in found.problems] == [line]
    assert found.text.count(b"\n") == text.count("\n")


NEEDED = {
    "import numpy as np\nclass A:\n    def f(self): return np.pi\n": {1, 2},
    "import numpy as np\nclass A:\n    def f(self, np): return np.pi\n": {2},
    "class A: pass\nx = A()\nx.train()\n": {1},
    "class A: pass\nA.f = len\nsetattr(A, 'g', len)\n": {1, 2, 3},
    "T = {}\nfor i in range(3):\n    T[i] = i\nclass A:\n    t = T\n": {1, 2, 4},
    "def g(): return h\ndef h(): pass\ndef k(): pass\nclass A:\n    def f(self): g()\n": {1, 2, 4},
    "if __name__ == '__main__':\n    y = 1\nclass A:\n    y = y\n": {3},
    "for step in range(9):\n    x = step\nclass A:\n    def f(self, x): return x\n": {3},
    "y = 1\nclass A:\n    def f(self): return eval('y')\n": {1, 2},
}


@pytest.mark.parametrize("text", NEEDED)
def test_what_a_class_needs(text: str) -> None:
    program = Program({"gpt2.py": ast.parse(text)})
    assert set(program.reach([("gpt2.py", "A")]).lines()["gpt2.py"]) == NEEDED[text]


def _violations(tmp_path: Path, **files: str) -> set[tuple[str, tuple[str, ...]]]:
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
    found = read(tmp_path, "gpt2.py", names=CLASSES)
    return {(violation.what, violation.users) for violation in found.violations}


def test_a_helper_is_followed(tmp_path: Path) -> None:
    model = "from helper import f\nclass MLP:\n    def forward(self): return f()\n"
    helper = "import numpy as np\nimport scipy\ndef f(): return np.pi\ndef g(): scipy\n"
    found = _violations(tmp_path, gpt2=model, helper=helper, ideas="import jax\n")
    assert found == {("imports numpy", ("MLP",)), ("imports scipy", ())}


def test_own_classes_may_have_any_name(tmp_path: Path) -> None:
    model = "import layers\nclass MLP:\n    def f(self): layers.MultiheadAttention()\n"
    assert not _violations(tmp_path, gpt2=model, layers="class MultiheadAttention: pass\n")


def test_who_uses_what_is_told_apart(tmp_path: Path) -> None:
    model = (
        "from torch import nn\nLAYER = nn.TransformerEncoderLayer\n"
        "class MLP:\n    layer = LAYER\nclass TransformerBlock:\n    mlp = MLP\n"
    )
    found = _violations(tmp_path, gpt2=model)
    assert found == {("uses torch's TransformerEncoderLayer", ("MLP",))}
