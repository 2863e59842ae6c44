"""The kit from a wheel: the stubs, the brief and the checks travel with it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.bank import ROOT


@pytest.fixture(scope="module", name="installed")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel installs, away from the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    pip += ["-w", str(folder), str(ROOT)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P" if sys.version_info >= (3, 11) else "-s", "-m", "grader", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_wheel_is_what_runs(installed: Path, tmp_path: Path) -> None:
    where = "import grader, sys; sys.exit(grader.__file__)"
    command = [sys.executable, "-c", where]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == str(installed / "grader" / "__init__.py")


def test_a_session_from_a_wheel(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "start", "x")
    assert done.returncode == 0, done.stderr
    done = run(installed, tmp_path / "x", "grade", "--html", "report.html")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("TODO")
    assert (tmp_path / "x" / "report.html").is_file()
    solution = (ROOT / "solutions" / "gpt2.py").read_bytes()
    (tmp_path / "x" / "gpt2.py").write_bytes(solution)
    done = run(installed, tmp_path / "x", "grade")
    assert done.returncode == 0, done.stdout
    assert "100 of 100" in done.stdout


def test_what_travels(installed: Path) -> None:
    for name in ("gpt2.py", "README.md"):
        carried = installed / "grader" / "handout" / name
        assert carried.read_bytes() == (ROOT / "exercises" / name).read_bytes()
    # A submission at level process could read it.
    assert not list(installed.rglob("solutions"))
    assert (installed / "grader" / "exercises" / "pytest.ini").is_file()
    data = installed / "grader" / "exercises" / "tokenizer" / "data"
    assert (data / "gpt2_vocab.bpe.bz2").is_file()
