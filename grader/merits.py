"""Judges each class on its own merit, also where one that it stands on is missing or broken.

All checks run on the candidate's own classes first. A class that fails something, and stands on
one that fails too, is judged again with the grader's own in place of that, in a worker of its own;
the better of its results count. The class that is stood in for keeps its results. An extension
is judged in the same way on the grader's own gpt2.py where the candidate's is broken, and what
calls a class of the extension on the grader's own one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from grader import foundation
from grader.ahead import Ahead
from grader.catalogue import Exercise
from grader.check import NotRun
from grader.control import settled
from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.gpt2.models import example
from grader.results import FOUL, CheckResult, total
from grader.rubric import Rubric
from grader.running import Progress, run_checks
from grader.sandbox.client import Budget, CandidateError, LoadedSubmission, Server, WorkerLost
from grader.submission import Submission
from grader.vocabulary import Policy

# What a class is built of. The others do with the brief alone.
STANDS_ON = {
    "TransformerBlock": ("CausalSelfAttention", "MLP"),
    "GPT2": ("CausalSelfAttention", "MLP", "TransformerBlock"),
}
_Results = tuple[CheckResult, ...]


@dataclass(frozen=True)
class Case:
    """What is judged, and how.

    only: the class or function that alone is judged, if not all; jobs: how many parts at a time;
    first: the class that is judged before others, if it stands on none; budget: of all time.
    """

    exercise: Exercise
    submission: Submission
    server: Server
    timeout: float
    seed: int
    policy: Policy
    rubric: Rubric
    only: str = ""
    jobs: int = 1
    first: str = ""
    budget: Budget = field(default_factory=Budget)

    def subject(
        self,
        submission: Submission | None = None,
        exercise: Exercise | None = None,
        stand_ins: tuple[str, ...] = (),
    ) -> LoadedSubmission:
        """What is asked: the submission, or another in its place."""
        return (exercise or self.exercise).subject(
            submission or self.submission,
            self.server,
            self.timeout,
            stand_ins,
            self.policy,
            self.budget,
        )


@dataclass
class Found:
    """What came out for one part. replaced: whose place the grader's own took for it."""

    results: _Results
    evidence: Evidence
    replaced: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing is left to gain."""
        return all(result.status == "pass" for result in self.results)

    @property
    def foul(self) -> bool:
        """Whether something was done that no points outweigh."""
        return any(result.status in FOUL for result in self.results)

    @property
    def internal(self) -> bool:
        """Whether the grader failed."""
        return any(result.status == "internal" for result in self.results)


@dataclass
class Merits:
    """Judges all parts of a submission. Use it as a context manager: it ends its workers."""

    case: Case
    _open: ExitStack = field(default_factory=ExitStack)
    _known: dict[tuple[str, ...], Evidence] = field(default_factory=dict)
    _parts: dict[str, Found] = field(default_factory=dict)

    def __enter__(self) -> Merits:
        return self

    def __exit__(self, *raised: object) -> None:
        self._open.close()

    def judge(self, progress: Progress) -> _Results:
        """One result for each check. Raises what `progress` raises, and KeyboardInterrupt."""
        case, exercise = self.case, self.case.exercise
        wanted = exercise.only(case.only) if case.only else exercise
        below = STANDS_ON.get(case.only, ())
        if below and not _runs(case.only, self._on(()), ()):
            self._first(exercise.only(*below, case.only), progress)  # one below may be at fault
        else:
            self._first(wanted, progress)
            if below and not self._parts[case.only].passed:
                self._first(exercise.only(*below), progress)
        checks = list(wanted.checks().values())
        parts = {*below, *(check.part for check in checks)}
        for part in STANDS_ON:
            if part in parts and all(name in self._parts for name in STANDS_ON[part]):
                self._again(part, progress)
        if not all(found.passed for found in self._parts.values()):
            self._on_own_gpt2(wanted, progress)
            for name, called in exercise.calls.items():
                if case.only in ("", name):
                    self._on_own_called(name, called, progress)
        found = {r.check.id: r for part in self._parts.values() for r in part.results}
        return tuple(found[check.id] for check in checks)

    def _first(self, exercise: Exercise, progress: Progress) -> None:
        """Judge on the candidate's own classes what has not been."""
        own = self._on(())
        exercise = self._in_order(exercise)
        checks = exercise.checks()
        later = [name for name in checks if name.split("::")[0] in exercise.ahead]
        before = [name for name in checks if name not in later]
        if self.case.jobs > 1 and before and later:
            self._beside(exercise, before, later, progress)
        else:
            self._keep(exercise, own, self._run(exercise, own, progress))

    def _beside(
        self, exercise: Exercise, before: list[str], later: list[str], progress: Progress
    ) -> None:
        """The same, on two processors: `later` while what stands before is judged."""
        case, own = self.case, self._on(())
        subject = case.subject()
        other = Evidence(subject, case.seed, case.policy, case.exercise.asked)

        def run(watch: Progress) -> _Results:
            self._open.enter_context(subject)
            return run_checks(exercise, other, watch, case.rubric, only=later)

        with Ahead(other, own, run, progress) as ahead:
            first = self._run(exercise, own, ahead.before, before)
            results = ahead.results(first)
        self._keep(exercise, own, first)
        if results:
            self._keep(exercise, other, results)
        else:
            self._keep(exercise, own, self._run(exercise, own, progress, later, first))

    def _run(
        self,
        exercise: Exercise,
        evidence: Evidence,
        progress: Progress,
        only: Sequence[str] | None = None,
        before: _Results = (),
    ) -> _Results:
        def skip(part: str, so_far: Sequence[CheckResult]) -> bool:
            return self._is_useless(part, [*before, *so_far])

        results = run_checks(exercise, evidence, progress, self.case.rubric, skip, only)
        order = [check.id for check in self.case.exercise.checks().values()]
        return tuple(sorted(results, key=lambda result: order.index(result.id)))

    def _in_order(self, exercise: Exercise) -> Exercise:
        """With the files of the class that is to be first right behind those of no class."""
        wanted = () if self.case.first in STANDS_ON else exercise.judged_in.get(self.case.first, ())
        of_classes = {module for files in exercise.judged_in.values() for module in files}
        order = sorted(exercise.modules, key=lambda m: m in of_classes and 2 - (m in wanted))
        return replace(exercise, modules=tuple(order)) if wanted else exercise

    def _keep(self, exercise: Exercise, evidence: Evidence, results: _Results) -> None:
        for part, found in _by_part(self._settled(results, exercise, evidence)).items():
            self._parts.setdefault(part, Found(found, evidence))

    def _settled(self, results: _Results, exercise: Exercise, evidence: Evidence) -> _Results:
        return settled(results, exercise, evidence, self.case.server)

    def evidence(self, part: str) -> Evidence:
        """On what a part was judged."""
        return self._parts[part].evidence

    @property
    def own(self) -> Evidence:
        """On the candidate's own classes alone."""
        return self._on(())

    @property
    def replaced(self) -> dict[str, tuple[str, ...]]:
        """For parts that were judged with classes of the grader's own: in whose place."""
        return {part: found.replaced for part, found in self._parts.items() if found.replaced}

    @property
    def advisories(self) -> dict[str, str]:
        """Remarks on all parts, and on what they were judged with."""
        remarks = dict(_told(self.replaced))
        for found in self._parts.values():
            remarks |= found.evidence.advisories
        return remarks

    @property
    def judged_by(self) -> dict[str, str]:
        """For each part how it was judged."""
        words = {p: f.evidence.layouts.judged_by.get(p, "") for p, f in self._parts.items()}
        return {part: word for part, word in words.items() if word}

    def _on(self, stand_ins: tuple[str, ...]) -> Evidence:
        """What is known of the submission with these classes replaced."""
        if stand_ins not in self._known:
            subject = self.case.subject(stand_ins=stand_ins)
            if self._known:
                subject.loading.follow(self.own.subject.loading)
            self._known[stand_ins] = self._asked(subject)
        return self._known[stand_ins]

    def _asked(self, subject: LoadedSubmission) -> Evidence:
        self._open.enter_context(subject)
        return Evidence(subject, self.case.seed, self.case.policy, self.case.exercise.asked)

    def _on_own_gpt2(self, wanted: Exercise, progress: Progress) -> None:
        """Judge an extension on the grader's own gpt2.py, if the candidate's is what is broken."""
        case = self.case
        submission = foundation.on_own(case.submission)
        if submission is None or case.budget.ended or not foundation.is_broken(self.own):
            return
        evidence = self._asked(case.subject(submission, wanted))
        results = run_checks(wanted, evidence, progress, case.rubric)
        self._keep_better(results, wanted, evidence, (foundation.FILE,))

    def _on_own_called(self, name: str, called: Sequence[str], progress: Progress) -> None:
        """Judge a function on the grader's own in place of what it calls, if that is broken."""
        exercise = self.case.exercise
        only = replace(exercise, modules=exercise.judged_in[name])
        broken = tuple(other for other in called if not self._has_passed(other))
        before = [self._parts[check.part] for check in only.checks().values()]
        hopeless = any(found.foul or found.internal for found in before)
        passed = all(found.passed for found in before)
        if not broken or passed or hopeless or not self.own.subject.loaded:
            return
        evidence = self._on(tuple(f"{exercise.name}.{other}" for other in broken))
        results = run_checks(only, evidence, progress, self.case.rubric)
        self._keep_better(results, only, evidence, broken)

    def _has_passed(self, name: str) -> bool:
        """Whether all that is asked of a class or function has been, and is right."""
        exercise = self.case.exercise
        checks = replace(exercise, modules=exercise.judged_in[name]).checks().values()
        parts = {check.part for check in checks}
        return all(part in self._parts and self._parts[part].passed for part in parts)

    def _keep_better(
        self, results: _Results, exercise: Exercise, evidence: Evidence, names: tuple[str, ...]
    ) -> None:
        """Let the results of the parts in which stand-ins of these names gain something count."""
        for part, found in _by_part(self._settled(results, exercise, evidence)).items():
            again = Found(found, evidence, names)
            if _is_better(again, self._parts[part]):
                self._parts[part] = again

    def _is_useless(self, part: str, so_far: Sequence[CheckResult]) -> bool:
        """Whether a part cannot run on the candidate's own classes, some of which are broken."""
        own = self._on(())
        if part not in STANDS_ON or not own.subject.loaded:
            return False
        before = dict.fromkeys(STANDS_ON[part], _Results())
        for result in so_far:
            if result.check.part in before:
                before[result.check.part] += (result,)
        broken = [Found(results, own) for results in before.values() if not _right(results)]
        return bool(broken) and not _runs(part, own, broken)

    def _again(self, part: str, progress: Progress) -> None:
        """Judge a part on stand-ins, as long as that may gain something."""
        for names, stand_ins in self._replacements(part):
            found = self._parts.get(part)
            if found and (self.case.budget.ended or not self._may_gain(found, names)):
                return
            evidence = self._on(stand_ins)
            left = [self._parts[name] for name in self._broken(part) if name not in names]
            if left and not _runs(part, evidence, left):
                continue
            case = self.case
            modules = dict.fromkeys(
                name.split("::")[0]
                for name, check in case.exercise.checks().items()
                if check.part == part
            )
            only = replace(case.exercise, modules=tuple(modules))
            results = run_checks(only, evidence, progress, case.rubric)
            results = self._settled(results, only, evidence)
            again = Found(results, evidence, names if total(results) else ())
            if found is None or _is_better(again, found):
                self._parts[part] = again

    def _broken(self, part: str) -> tuple[str, ...]:
        return tuple(name for name in STANDS_ON[part] if not self._parts[name].passed)

    def _replacements(self, part: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Broken classes in whose place to put the grader's, and all that have to be put.

        A block of the grader's has the grader's attention and MLP inside.
        """
        broken = self._broken(part)
        below = tuple(name for name in broken if name != "TransformerBlock")
        if below:
            yield below, below
        if broken != below:
            yield broken, STANDS_ON["GPT2"]

    def _may_gain(self, found: Found, names: Sequence[str]) -> bool:
        """Whether to judge again. What is foul stays so, unless one replaced is foul itself."""
        excused = any(self._parts[name].foul for name in names)
        # No stand-in changes how a class is built.
        built = all(r.status == "pass" or r.check.id.endswith(".signature") for r in found.results)
        hopeless = built or found.internal or (found.foul and not excused)
        return self._on(()).subject.loaded and not hopeless


def _by_part(results: _Results) -> dict[str, _Results]:
    parts: dict[str, _Results] = {}
    for result in results:
        parts[result.check.part] = (*parts.get(result.check.part, ()), result)
    return parts


def _right(results: _Results) -> bool:
    return bool(results) and all(result.status == "pass" for result in results)


def _is_better(again: Found, found: Found) -> bool:
    return not (again.foul or again.internal) and total(again.results) > total(found.results)


def _runs(part: str, evidence: Evidence, broken: Sequence[Found]) -> bool:
    """Whether a part can be built and called. One on what hangs is not tried."""
    if any(result.status == "timeout" for found in broken for result in found.results):
        return False
    size = sizes.BY_CLASS[part][0]
    evidence.subject.start_clock()
    try:
        evidence.models.module(part, size).call(example(size))
    except (CandidateError, WorkerLost, NotRun):
        return False
    return True


def _told(replaced: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """One remark on all stand-ins."""
    sentences = []
    for names in dict.fromkeys(replaced.values()):
        parts = [part for part, others in replaced.items() if others == names]
        were = "was" if len(parts) == 1 else "were"
        sentences.append(
            f"{_and(parts)} {were} judged with the grader's own {_and(names)} in place of yours."
        )
    if sentences:
        yield "stand-ins", " ".join(sentences)


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
