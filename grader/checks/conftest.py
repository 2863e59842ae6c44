"""What the checks ask for: the submission under judgement and what is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from grader.checks.evidence import Evidence
from grader.checks.models import CLASSES
from grader.remote import Subject, start
from grader.submission import read

EVIDENCE = pytest.StashKey[Evidence]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest grader/checks --submission PATH` runs the checks directly."""
    parser.addoption("--submission", help="file or folder to check")
    parser.addoption("--seed", type=int, default=0, help="seed of all that is drawn")


@pytest.fixture(scope="session", name="evidence")
def _evidence(request: pytest.FixtureRequest) -> Iterator[Evidence]:
    """What has been found out about the submission; `grader grade` brings its own."""
    given = request.config.stash.get(EVIDENCE, None)
    if given is not None:
        yield given
        return
    path = request.config.getoption("--submission")
    if not path:
        raise pytest.UsageError("say what to check: pytest grader/checks --submission PATH")
    submission = read(Path(path), "gpt2.py")
    with start() as server, Subject(submission, server, CLASSES, 10.0) as subject:
        yield Evidence(subject, request.config.getoption("--seed"))


@pytest.fixture(autouse=True)
def _group(request: pytest.FixtureRequest, evidence: Evidence) -> None:
    """The checks of one file share a worker of their own."""
    last = request.session.items[-1].path
    evidence.subject.enter(request.path.stem, more=request.path != last)
    evidence.subject.begin_check()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give every check the run's seed."""
    seed = config.getoption("--seed")
    for item in items:
        function = getattr(item, "function", None)
        if function is not None and hasattr(function, "hypothesis"):
            hypothesis.seed(seed)(function)
