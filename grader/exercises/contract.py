"""What the exercises beside gpt2 ask alike: of the imports, and of what has to be there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from grader.check import Failure, check
from grader.gpt2.evidence import Evidence
from grader.gpt2.imports import HINTS, check_imports
from grader.gpt2.policy import advise_on_devices, check_policy
from grader.sandbox.client import CandidateError
from grader.sandbox.client.function import Returned

Test = Callable[..., None]
Calls = Callable[[Evidence], Iterable[Returned]]


def from_scratch(
    exercise: str,
    task: str,
    allowed: str = "torch and the standard library only.",
    requirement: str = "Only torch and the standard library are used.",
    watched: Calls | None = None,
) -> Test:
    """The check of what an exercise may import.

    task: what the exercise is to do; watched: calls that are looked at for what would fail
    on another device.
    """
    hints = (f"The exercise is to {task}.", "Look at your imports.", allowed)

    @check(f"{exercise}.from_scratch", "Submission", 0, hints, requirement=requirement)
    def test_from_scratch(evidence: Evidence) -> None:
        check_policy(evidence)
        if watched is not None:
            advise_on_devices(evidence, lambda: watched(evidence))

    return test_from_scratch


def imports(exercise: str, part: str) -> Test:
    """The check that an exercise's file can be imported."""

    @check(f"{exercise}.imports", part, 1, HINTS)
    def test_imports(evidence: Evidence) -> None:
        """The file parses, and importing it ends by itself and needs nothing but torch."""
        check_imports(evidence)

    return test_imports


def expect_there(evidence: Evidence, *names: str) -> None:
    """Fail unless there are these classes and functions."""
    found = evidence.subject.found_classes()
    for name in names:
        kind = "class" if name[0].isupper() else "function"
        if name not in found:
            evidence.subject.explain_absence(name)
            raise Failure(f"expected a {kind} {name}, found none", cause="wrong-signature")
        if found[name].startswith("not a"):
            raise Failure(
                f"expected {name} to be a {kind}, found {found[name]}", cause="wrong-signature"
            )


@contextmanager
def calls_fit(evidence: Evidence, name: str) -> Iterator[None]:
    """Calls of what is called `name` are made within: a TypeError that no line of the submission
    has a part in means that it takes other arguments.
    """
    try:
        yield
    except CandidateError as fault:
        if fault.message.startswith("it raised TypeError") and not fault.traceback:
            claimed = evidence.subject.found_classes()[name]
            message = f"{name} has {claimed}: {fault.message}"
            raise Failure(message, cause="wrong-signature") from None
        raise
