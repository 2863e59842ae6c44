"""Notebooks in a real kernel: what a cell defines is graded, and the report shows itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from grader import GraderError, notebook, starter
from grader.catalogue import EXERCISES
from tests import published
from tests.bank import ROOT

Command = Callable[..., CompletedProcess[str]]
# The kernel runs in the test's folder, where the kit is found as it is.
FIND = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n%load_ext grader.notebook"


def run(cells: list[str], folder: Path) -> list[Any]:
    """The outputs of code cells, run one after the other in a kernel."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    NotebookClient(made, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell.outputs for cell in made.cells]


def shown(outputs: Any) -> tuple[str, str]:
    """The report that a cell gives: as a page and as a text."""
    (data,) = [output["data"] for output in outputs if output["output_type"] == "execute_result"]
    return data["text/html"], data["text/plain"]


def piece(reference: str, name: str) -> str:
    return re.search(rf"^class {name}\(.*?(?=^class |\Z)", reference, re.M | re.S)[0].rstrip()  # type: ignore[index]  # it is there


def test_cells_are_graded_in_a_kernel(tmp_path: Path, reference: str) -> None:
    mlp = piece(reference, "MLP")
    imports = "import torch\nfrom torch import nn"
    wrong = mlp.replace('nn.GELU(approximate="tanh")', "nn.ReLU()")
    outputs = run(
        [
            FIND,
            imports,
            f"%%grade MLP\n{wrong}",
            f"# once more\n{mlp}",
            "from grader.notebook import check\nreport = check('MLP')\nreport",
            "print(report.passed, report.path, 'torch' in str(type(MLP(4).up_proj)))",
        ],
        tmp_path,
    )
    page, text = shown(outputs[2])
    assert text.startswith("FAIL  10 of 15 points  gpt2, only MLP: this notebook")
    assert "MLP: relu" in text
    assert "code cell 3, line " in text
    assert page.startswith("<iframe srcdoc=")
    assert "MLP: relu" in page
    assert shown(outputs[4])[1].startswith("PASS  15 of 15 points")
    assert outputs[5][0]["text"] == "True this notebook True\n"


def test_starter_notebook_runs_untouched(tmp_path: Path) -> None:
    made = nbformat.reads(starter.notebook(EXERCISES["gpt2"]), as_version=4)
    nbformat.validate(made)
    made.cells[1].source = f"{FIND}\n{made.cells[1].source}"
    NotebookClient(made, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    reports = [shown(cell.outputs)[1] for cell in made.cells if "%%grade" in cell.source[:8]]
    assert [text.split()[0] for text in reports] == ["TODO"] * 4
    assert shown(made.cells[-1].outputs)[1].startswith("TODO  0 of 100 points")


def test_the_notebooks_of_the_repository_are_those_that_are_made() -> None:
    for exercise in EXERCISES.values():
        kept = ROOT / starter.FOLDER / f"{exercise.name}.ipynb"
        assert kept.read_text(encoding="utf-8") == starter.notebook(exercise), (
            "make it anew: python -m tests.published"
        )


def test_a_starter_notebook_has_the_whole_stub_and_brief() -> None:
    for exercise in EXERCISES.values():
        cells = json.loads(starter.notebook(exercise))["cells"]
        texts = ["".join(cell["source"]) for cell in cells]
        code = "\n".join(text for text in texts if text)
        for name in exercise.names:
            assert f"%%grade {name}\n" in code
        stub = (ROOT / "exercises" / exercise.file).read_text(encoding="utf-8")
        assert all(line in code for line in stub.splitlines())
        assert texts[0] == (ROOT / "exercises" / exercise.brief).read_text("utf-8").strip()


def test_nothing_is_overwritten(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "mine.ipynb"
    assert command("notebook", "generation", "--out", out).returncode == 0
    before = out.read_bytes()
    done = command("notebook", "gpt2", "--out", out)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert out.read_bytes() == before


def test_the_guide_leads_to_every_notebook() -> None:
    text = (ROOT / "docs" / "practising.md").read_text(encoding="utf-8")
    for exercise in EXERCISES.values():
        assert starter.link(exercise) in text


def test_what_has_the_address_of_the_kit_is_made_of_one() -> None:
    for file, text in published.files(starter.HOME).items():
        assert file.read_text(encoding="utf-8") == text, "run python -m tests.published"
    made = published.files("https://github.com/acme/kit")
    assert all("https://github.com/acme/kit" in t or "github/acme/kit" in t for t in made.values())
    for exercise in EXERCISES.values():
        place = f"github/acme/kit/blob/main/{starter.FOLDER}/{exercise.name}.ipynb"
        assert place in made[ROOT / "docs" / "practising.md"]


def test_outside_of_a_notebook_it_says_so() -> None:
    with pytest.raises(GraderError, match=r"For a file there is grader\.grade"):
        notebook.check("MLP")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("mlp", ("gpt2", "MLP")), ("training", ("training", "")), ("", ("tokenizer", ""))],
)
def test_names(name: str, meant: tuple[str, str]) -> None:
    exercise, only = notebook._meant(name, ["", "def train_bpe():\n    pass", "x = 1"])
    assert (exercise.name, only) == meant


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(GraderError, match="the name of an exercise, a class or a function"):
        notebook._meant("Nonsense", [])


def test_what_a_later_cell_defines_anew_is_left_out() -> None:
    cells = ["", "class A:\n    pass", "import math\nclass B:\n    pass", "%%grade A\nclass A: 1"]
    assert notebook._newest([*cells, "class B: 2"]) == ["", "", cells[2], cells[3], "class B: 2"]
