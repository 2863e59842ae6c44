"""What the checks ask for: the submission under judgement and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from grader.catalogue import EXERCISES
from grader.gpt2.evidence import Evidence
from grader.sandbox.client import start


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest grader/exercises --submission PATH` runs the checks directly."""
    parser.addoption("--submission", help="file or folder to check")
    parser.addoption("--seed", type=int, default=0, help="seed of all that is drawn")


@pytest.fixture(scope="session", name="evidence_for")
def _evidence_for(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Evidence]]:
    """What has been found out about the submission for an exercise, if nobody brings it."""
    path = request.config.getoption("--submission")
    if not path:
        raise pytest.UsageError("say what to check: pytest grader/exercises --submission PATH")
    with start() as server, ExitStack() as stack:

        @cache
        def evidence_for(name: str) -> Evidence:
            exercise = EXERCISES[name]
            submission = exercise.read(Path(path)).anonymized(exercise.file)
            subject = stack.enter_context(exercise.subject(submission, server, 10.0))
            return Evidence(subject, request.config.getoption("--seed"))

        yield evidence_for


@pytest.fixture(name="evidence")
def _evidence(request: pytest.FixtureRequest) -> Evidence:
    """What has been found out about the submission."""
    found: Evidence = request.getfixturevalue("evidence_for")(request.path.parent.name)
    return found


@pytest.fixture(autouse=True)
def _group(request: pytest.FixtureRequest, evidence: Evidence) -> None:
    """The checks of one file share a worker of their own."""
    last = request.session.items[-1].path
    evidence.subject.enter(request.path.stem, more=request.path != last)
    evidence.subject.start_clock()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out exercises that the submission has no file for; give every check the run's seed."""
    seed = config.getoption("--seed")
    if path := config.getoption("--submission"):
        items[:] = [item for item in items if _is_handed_in(item.path.parent.name, Path(path))]
    for item in items:
        function = getattr(item, "function", None)
        if function is not None and hasattr(function, "hypothesis"):
            hypothesis.seed(seed)(function)


def _is_handed_in(exercise: str, path: Path) -> bool:
    """Whether the path is, or has, the exercise's file; a file of another name is a gpt2.py."""
    file = EXERCISES[exercise].file
    if path.is_dir():
        return (path / file).exists()
    named = {known.file: name for name, known in EXERCISES.items()}
    return named.get(path.name, "gpt2") == exercise
