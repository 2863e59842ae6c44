"""A submission as the checks see it: models to build, and numbers to ask of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from grader.errors import GraderFault
from grader.sandbox.client import calls
from grader.sandbox.client.budget import Budget
from grader.sandbox.client.decoding import decoding
from grader.sandbox.client.exchange import Merges, RemoteRef, helping, unpacked
from grader.sandbox.client.faults import CandidateError, WorkerLost
from grader.sandbox.client.loading import Loading
from grader.sandbox.client.module import Answer, AnyModule, Module
from grader.sandbox.client.patience import Patience
from grader.sandbox.client.printed import Printed
from grader.sandbox.client.worker import Values, Worker
from grader.sandbox.server.start import Server
from grader.submission import Submission
from grader.vocabulary import UNPARSED

_GONE = "the process running the submission had ended before"


class LoadedSubmission:
    """A loaded submission. Workers are forked when needed, one for each group of checks."""

    def __init__(
        self,
        submission: Submission,
        server: Server,
        classes: Sequence[str],
        timeout: float,
        base: str | None = None,
        base_classes: Sequence[str] = (),
        stand_ins: Collection[str] = (),
        ready_made_too: bool = False,
        budget: Budget | None = None,
    ) -> None:
        """Take classes (or functions) from the main file; base_classes from `base`, if it is among
        the files; stand_ins: those for which the grader's own stand in; ready_made_too: whether it
        may use torch's own Transformers; budget: of all time (default: without end).
        """
        self.submission = submission
        self.budget = budget or Budget()
        self.classes = tuple(classes)
        below = base if base in submission.files else None
        self.loading = Loading(
            submission,
            server,
            classes,
            below,
            base_classes,
            stand_ins,
            ready_made_too,
            self.budget,
        )
        self._base_classes = tuple(base_classes)
        self.stand_ins = tuple(sorted(stand_ins))
        self._write_base = f"write {base} first, or give the folder of another as --base"
        self.timeout = timeout
        self._patience = Patience(timeout)
        self._worker: Worker | None = None
        # Beside the questions, one worker is made ready for the next group, and old ones are ended.
        self._beside = ThreadPoolExecutor(1)
        self._spare: Future[Worker] | None = None
        self._first: Future[Worker] | None = None
        self._group = ""
        self._more = False
        self._models: dict[str, Module] = {}
        self._found: dict[str, str] = {}
        self._load_fault: WorkerLost | CandidateError | None = None
        # Classes that are told, where they are built, that float64 is float32 ("float32"), or only
        # that a device which is not here is the CPU ("devices"): see grader.sandbox.worker.pretend.
        self.told: dict[str, str] = {}
        self._printed = Printed()
        self._count = 0

    def start_clock(self, share: float = 1.0) -> None:
        """From now on the submission has all its time, or a share of it, to answer again.

        For a new check; and within one for each search among its weights, which asks thousands of
        questions whose number is not its fault.
        """
        self._patience.start(share, self._worker)

    def take_printed(self) -> str:
        """What it has printed since this was asked last; at first, when it was imported, too."""
        texts = self.loading.printed.take(), self._printed.take()
        return "\n".join(text for text in texts if text)

    def has_hung(self, name: str) -> bool:
        """Whether a class has been late with an answer, and gets little time since."""
        return name in self._patience.hung

    def forget_hang(self, name: str) -> None:
        """Give it all its time again: it was asked for more than anybody has to be quick at."""
        self._patience.hung.discard(name)

    def enter(self, group: str, more: bool = False) -> None:
        """From now on questions go to a new worker, that of this group of checks.

        more: another group follows, for which a worker is made ready meanwhile.
        """
        self._more = more
        if group != self._group:
            self._close()
            self._group = group

    def __enter__(self) -> LoadedSubmission:
        self._spare = self._first = self._beside.submit(self._loaded_worker)
        return self

    def __exit__(self, *raised: object) -> None:
        self._close()
        if self._spare is not None:
            with suppress(GraderFault, WorkerLost, CandidateError):
                self._spare.result().close()
        self._beside.shutdown()

    def _close(self) -> None:
        """End the current worker, if there is one."""
        self._models.clear()
        if self._worker is not None:
            self._beside.submit(self._worker.close)
        self._worker = None

    def follow(self, other: LoadedSubmission) -> bool:
        """Import it as the other one, of the same submission, was first: whether it could be."""
        imported = other._first is None or other._first.exception() is None
        self.loading.follow(other.loading)
        return imported

    @property
    def loaded(self) -> bool:
        """Whether it could be imported, as far as that was tried."""
        return self._load_fault is None

    def found_classes(self) -> dict[str, str]:
        """The classes that the submission has, with the signatures they claim."""
        self._live_worker()
        return self._found

    def build(
        self,
        name: str,
        args: Sequence[float] = (),
        kwargs: Mapping[str, float] | None = None,
        *,
        dtype: str = "float64",
        convert: bool = False,
        seed: int = 0,
        weighed: Values | None = None,
        joined: bool = False,
        told: str | None = None,
    ) -> Module:
        """A model of class `name`, kept for the next call with the same arguments.

        weighed: an input; the model's parameters are then the weights that meet it, which may be
        computed from parameters.

        joined: and where layers follow each other or are added, they count as one.

        convert: build in float32 and convert with `.to(dtype)`, as a user would; otherwise the
        default dtype is `dtype` while the model is built and used.

        told: in place of what `self.told` says of the class. A float32 model has no use for being
        told that it is one.
        """
        told = self.told.get(name, "") if told is None else told
        if told == "float32" == dtype:
            told = "devices"
        arguments = list(args), sorted((kwargs or {}).items())
        key = repr((name, *arguments, dtype, convert, seed, weighed is not None, joined, told))
        worker = self._live_worker()
        if key in self._models:
            return self._models[key]
        self._expect(name)
        made = calls.built(name, args, kwargs or {})
        number, ask = self._asker(worker, name, made)
        try:
            description = ask(
                "build",
                () if weighed is None else (weighed,),
                name=name,
                args=list(args),
                kwargs=dict(kwargs or {}),
                seed=seed,
                dtype=dtype,
                convert=convert,
                pretend=told,
                joined=joined,
            )
        except CandidateError as fault:
            if fault.status == "todo" and name in self._base_classes:
                raise CandidateError("not-run", f"it needs {name}: {self._write_base}") from None
            raise
        module = Module(name, ask, worker, description, dtype, number)
        module.told_single = told == "float32"
        self._models[key] = module
        return module

    def _asker(self, worker: Worker, name: str, made: str) -> tuple[int, Callable[..., Answer]]:
        """A number for one more model of the worker, and what asks questions of it.

        made: how it was made, in words.
        """
        self._count += 1
        number = self._count

        def ask(question: str, arrays: Sequence[Values], **header: Any) -> Answer:
            if not worker.alive:
                raise WorkerLost("timeout" if self.has_hung(name) else "error", _GONE)
            try:
                return self._ask(worker, name, question, arrays, model=number, **header)
            except (CandidateError, WorkerLost) as fault:
                fault.call = calls.asked(made, question, arrays, header)
                raise

        return number, ask

    def run(
        self,
        name: str,
        on: RemoteRef | None,
        arrays: Sequence[Values],
        uses: Sequence[RemoteRef],
        **header: Any,
    ) -> Answer:
        """Call a function of the submission, or a method of `on`. See `function.call`.

        uses: what is held, and given to it.
        """
        worker = self._worker_of([*uses, *([] if on is None else [on])])
        if on is None:
            self._expect(name)
        place = None if on is None else on.place
        return self._ask(worker, name, "run", arrays, name=name, on=place, **header)

    def help(
        self, about: str, target: str, /, *args: object, here: bool = True, **given: object
    ) -> Any:
        """What one of the grader's own functions in the worker gives, such as "lora.layers".

        about: the class or function that it is called for, which has to be there unless `here` is
        False; args, given: as of `Packer.pack`. What comes back is yet to be checked. Raises
        CandidateError, or WorkerLost.
        """
        question, packer = helping(target, args, given)
        worker = self._worker_of(packer.uses)
        for name in (*([about] if here else ()), *packer.own):
            self._expect(name)
        answer, values = self._ask(worker, about, "help", packer.arrays, **question)
        with decoding(worker.broken, f"what {about} did"):
            return unpacked(answer["value"], values)

    def keep(self, about: str, target: str, /, *args: object, **given: object) -> RemoteRef:
        """The same, with what it gives held in the worker."""
        question, packer = helping(target, args, given)
        worker, place = self._worker_of(packer.uses), self.new_place()
        for name in (about, *packer.own):
            self._expect(name)
        self._ask(worker, about, "help", packer.arrays, **question | {"keep": place})
        return self.held(place)

    def processor_seconds(self) -> float:
        """What the current worker has used of its processor, as the kernel counts it."""
        return self._live_worker().processor_seconds()

    def replay(
        self, code: str, gpt2_merges: Sequence[tuple[bytes, bytes]] | None = None
    ) -> tuple[str, str]:
        """What a counterexample prints, and the last line of its traceback, on its own testimony.

        gpt2_merges: what the function of that name gives, if the code calls it.

        Raises CandidateError, or WorkerLost.
        """
        merges = None if gpt2_merges is None else Merges(gpt2_merges)
        told = self.help("", "replay.replay", code, merges, here=False)
        with decoding(self.broken, "what a counterexample prints"):
            printed, raised = map(str, told)
        return printed, raised

    def _worker_of(self, uses: Sequence[RemoteRef]) -> Worker:
        worker = self._live_worker()
        if any(held.worker is not worker for held in uses):
            raise WorkerLost("error", _GONE)
        return worker

    def _expect(self, name: str) -> None:
        if name not in self._found:
            if name in self.submission.lost:
                raise CandidateError("not-run", f"{name} does not parse", cause="")
            self.explain_absence(name)
            kind = "class" if name[0].isupper() else "function"
            raise CandidateError("error", f"there is no {kind} {name} in the submission")

    def explain_absence(self, name: str) -> None:
        """Raise CandidateError if a class or function is missing that the files do write."""
        if name in self.submission.lost:
            words = f"{self.submission.lost[name]}\nNothing else of {name} was looked at."
            raise CandidateError("error", words, cause=UNPARSED)
        fault = self.loading.failed.get(name)
        if fault is not None and name not in self._found:
            raise CandidateError(fault.status, fault.message, fault.traceback, fault.cause)

    def new_place(self) -> str:
        """Where the worker is to hold something."""
        self._count += 1
        return f"held:{self._count}"

    def held(self, place: str) -> RemoteRef:
        """What stands for something that the current worker holds."""
        return RemoteRef(place, self._worker)

    def holds(self, held: RemoteRef) -> bool:
        """Whether it is in the current worker, and this lives."""
        return self._worker is not None and held.worker is self._worker and self._worker.alive

    def adopt(self, held: RemoteRef, name: str, dtype: str = "float64") -> Module:
        """A held module, of the class called `name`, as a Module to ask questions of."""
        return self.adopt_as(Module, held, name, dtype)

    def adopt_as(
        self,
        kind: type[AnyModule],
        held: RemoteRef,
        name: str,
        dtype: str = "float64",
        weighed: Values | None = None,
    ) -> AnyModule:
        """The same as another kind of Module. weighed: as of `build`."""
        worker = self._live_worker()
        number, ask = self._asker(worker, name, name)
        if held.worker is not worker:
            raise WorkerLost("error", _GONE)
        example = () if weighed is None else (weighed,)
        return kind(name, ask, worker, ask("adopt", example, held=held.place), dtype, number)

    def broken(self, what: str) -> WorkerLost:
        """End the worker, whose answer does not fit its question."""
        assert self._worker is not None
        return self._worker.broken(what)

    def _ask(
        self, worker: Worker, about: str, question: str, arrays: Sequence[Values], **header: Any
    ) -> Answer:
        with self._patience.waiting(worker, about) as deadline:
            return worker.ask(question, arrays, deadline=deadline, **header)

    def _live_worker(self) -> Worker:
        if self._load_fault is not None:
            raise self._load_fault.with_traceback(None)  # or it would grow with every raise
        if self._worker is None or not self._worker.alive:
            self._models.clear()
            spare, self._spare = self._spare, None
            try:
                self._worker = spare.result() if spare else self._loaded_worker()
            except (WorkerLost, CandidateError) as fault:
                self._load_fault = fault
                raise
            if self._more:
                self._spare = self._beside.submit(self._loaded_worker)
            self._patience.read_processor(self._worker)
        return self._worker

    def _loaded_worker(self) -> Worker:
        """A worker that has imported the submission. Raises WorkerLost or CandidateError."""
        worker, self._found = self.loading.worker()
        worker.printed = self._printed  # from here on: each worker imports it anew
        return worker
