"""What would fail on a GPU is told without one: a tensor made on the CPU that meets others."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from grader.catalogue import EXERCISES
from grader.gpt2.evidence import Evidence
from grader.results import CheckResult
from grader.running import Stopped, run_checks
from grader.sandbox.client import Server
from tests.bank import ROOT

# Where calls are watched.
CHECKS = {
    "gpt2": "submission.from_scratch",
    "generation": "generation.from_scratch",
    "kv_cache": "kv_cache.from_scratch",
    "training": "training.signature",
    "classification": "classification.from_scratch",
}
ROWS = "rows = torch.arange(len(idx), device=idx.device)  # (B,)\n"
READ = "hidden[rows, lengths - 1]"
BROKEN = [
    ("gpt2", "torch.arange(T, device=idx.device)", "torch.arange(T)"),
    ("generation", ", device=idx.device", ""),
    ("kv_cache", "torch.arange(P, P + T, device=idx.device)", "torch.arange(P, P + T)"),
    ("training", ".item()\n    if max", " * torch.ones(1)\n    total = float(total)\n    if max"),
    ("classification", READ, "(hidden * (torch.arange(idx.shape[1]) == 0)[:, None]).sum(1)"),
]
FINE = [
    ("classification", ROWS, ROWS.replace(", device=idx.device", "")),  # an index may stay
    ("generation", ", device=idx.device)", ").to(idx.device)"),
    ("training", "losses = []", "losses = []; torch.zeros(3)[0] = next(model.parameters()).mean()"),
]


def advised(server: Server, exercise: str, folder: Path) -> str:
    """What is said of devices."""
    judged = EXERCISES[exercise]
    watching = {n.split("::")[0] for n, c in judged.checks().items() if c.id == CHECKS[exercise]}
    only = replace(judged, modules=tuple(m for m in judged.modules if m in watching))

    def stop(result: CheckResult) -> None:
        if result.check.id == CHECKS[exercise]:
            raise Stopped

    submission = judged.read(folder, ROOT / "solutions")
    with judged.subject(submission, server, 10.0) as subject:
        evidence = Evidence(subject, 0)
        with suppress(Stopped):
            run_checks(only, evidence, stop)
        return evidence.advisories.get("device", "")


def changed(folder: Path, exercise: str, old: str, new: str) -> Path:
    """The references, one of which is changed."""
    shutil.copytree(ROOT / "solutions", folder, dirs_exist_ok=True)
    file = folder / f"{exercise}.py"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    return folder


@pytest.mark.parametrize("exercise", CHECKS)
def test_nothing_is_said_of_the_references(server: Server, exercise: str) -> None:
    assert not advised(server, exercise, ROOT / "solutions")


@pytest.mark.parametrize(("exercise", "old", "new"), BROKEN)
def test_a_stranded_tensor(
    server: Server, tmp_path: Path, exercise: str, old: str, new: str
) -> None:
    assert "on a GPU" in advised(server, exercise, changed(tmp_path, exercise, old, new))


@pytest.mark.parametrize(("exercise", "old", "new"), FINE)
def test_what_would_run(server: Server, tmp_path: Path, exercise: str, old: str, new: str) -> None:
    assert not advised(server, exercise, changed(tmp_path, exercise, old, new))
