"""A submission as the checks see it: models to build, and numbers to ask of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.remote.faults import CandidateError, WorkerLost
from grader.remote.server import ForkServer
from grader.remote.worker import Values, Worker
from grader.submission import Submission

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
_START_SECONDS = 20.0  # importing a submission and building its first model
_IMPATIENT_SECONDS = 1.0  # for a class that has hung before


@dataclass(frozen=True)
class Parameter:
    """A parameter's name, shape, place in the flat vector of all, and whether it is trained."""

    name: str
    shape: tuple[int, ...]
    start: int
    trainable: bool

    @property
    def indices(self) -> Indices:
        """Where this parameter's elements lie in the flat vector, in its own shape."""
        size = int(np.prod(self.shape, dtype=np.intp))
        return np.arange(self.start, self.start + size, dtype=np.intp).reshape(self.shape)


@dataclass(frozen=True)
class Part:
    """A module inside a model: its path, the submitted class it is of (if any), its type."""

    path: str
    identity: int
    kind: str | None
    type: str
    parameters: tuple[str, ...]


class Subject:
    """A loaded submission. Workers are forked when needed, one for each group of checks."""

    def __init__(
        self, submission: Submission, server: ForkServer, classes: Sequence[str], timeout: float
    ) -> None:
        self.submission = submission
        self.classes = tuple(classes)
        self.timeout = timeout
        self._server = server
        self._worker: Worker | None = None
        self._group = ""
        self._models: dict[str, Module] = {}
        self._found: dict[str, str] = {}
        self._load_fault: WorkerLost | CandidateError | None = None
        self._hung: set[str] = set()
        self._count = 0

    def enter(self, group: str) -> None:
        """From now on questions go to the worker of this group of checks."""
        if group != self._group:
            self.close()
            self._group = group

    def close(self) -> None:
        """End the current worker, if there is one."""
        self._models.clear()
        if self._worker is not None:
            self._worker.close()
        self._worker = None

    def found_classes(self) -> dict[str, str]:
        """The classes that the submission has, with the signatures they claim."""
        self._live_worker()
        return self._found

    def build(
        self,
        name: str,
        *args: Any,
        dtype: str = "float64",
        convert: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> Module:
        """A model of class `name`, kept for the next call with the same arguments.

        convert: build in float32 and convert with `.to(dtype)`, as a user would; otherwise the
        default dtype is `dtype` while the model is built and used.
        """
        key = repr((name, args, dtype, convert, seed, sorted(kwargs.items())))
        worker = self._live_worker()
        if key in self._models:
            return self._models[key]
        if name not in self._found:
            raise CandidateError("error", f"there is no class {name} in the submission")
        self._count += 1
        header, values = self._ask(
            worker,
            name,
            "build",
            (),
            model=self._count,
            name=name,
            args=list(args),
            kwargs=kwargs,
            seed=seed,
            dtype=dtype,
            convert=convert,
        )
        model = Module(self, worker, name, self._count, header, values, np.dtype(dtype))
        self._models[key] = model
        return model

    def ask(
        self, worker: Worker, name: str, question: str, arrays: Sequence[Values], **header: Any
    ) -> tuple[dict[str, Any], list[Values]]:
        """Ask about a model of class `name` that lives in `worker`."""
        if not worker.alive:
            raise WorkerLost("error", "the process running the submission had ended before")
        return self._ask(worker, name, question, arrays, **header)

    def _ask(
        self, worker: Worker, class_: str, question: str, arrays: Sequence[Values], **header: Any
    ) -> tuple[dict[str, Any], list[Values]]:
        seconds = min(_IMPATIENT_SECONDS, self.timeout) if class_ in self._hung else self.timeout
        try:
            return worker.ask(question, arrays, seconds=seconds, **header)
        except WorkerLost as lost:
            if lost.status == "timeout":
                self._hung.add(class_)
            raise

    def _live_worker(self) -> Worker:
        if self._load_fault is not None:
            raise self._load_fault
        if self._worker is None or not self._worker.alive:
            self._models.clear()
            self._worker = Worker(self._server)
            self._load(self._worker)
        return self._worker

    def _load(self, worker: Worker) -> None:
        files = self.submission.files
        try:
            header, _ = worker.ask(
                "load",
                [np.frombuffer(text, dtype=np.uint8) for text in files.values()],
                seconds=_START_SECONDS,
                folder=self.submission.folder,
                files=list(files),
                main=self.submission.main,
                package=self.submission.package,
                classes=list(self.classes),
            )
        except (WorkerLost, CandidateError) as fault:
            self._load_fault = fault
            raise
        found = header.get("classes")
        if not isinstance(found, dict):
            raise worker.broken("no list of classes")
        self._found = {str(name): str(text)[:4000] for name, text in found.items()}


class Module:
    """A model in a worker. Its parameters are known here as one flat float64 vector."""

    def __init__(
        self,
        subject: Subject,
        worker: Worker,
        name: str,
        number: int,
        header: dict[str, Any],
        values: list[Values],
        dtype: np.dtype[Any],
    ) -> None:
        self.name = name
        self.dtype = dtype
        self._subject = subject
        self._worker = worker
        self._number = number
        try:
            self.parameters = _parameters(header["parameters"], values)
            self.parts = [_part(entry) for entry in header["modules"]]
        except (KeyError, TypeError, ValueError) as error:
            raise worker.broken(f"the description of {name}") from error
        flat = [value.astype(np.float64).ravel() for value in values]
        self.initial: Floats = np.concatenate(flat) if flat else np.zeros(0)
        self.trainable = np.zeros(self.initial.size, dtype=bool)
        for parameter in self.parameters:
            self.trainable[parameter.indices] = parameter.trainable

    def random(self, rng: np.random.Generator, scale: float) -> Floats:
        """Normal values of that scale for what is trained; the rest as it is."""
        drawn = rng.normal(0.0, scale, self.initial.size)
        return np.where(self.trainable, drawn, self.initial)

    def call(
        self,
        x: Values,
        theta: Floats | None = None,
        *,
        path: str = "",
        train: bool = False,
        seed: int = 0,
    ) -> Floats:
        """The output for one input, checked to be of the expected shape and dtype.

        theta: values for all parameters; None leaves them as they were set last.
        """
        (output,) = self.outputs([x], theta, path=path, train=train, seed=seed)
        if path == "":
            self.expect_shape(output, x)
        return output

    def outputs(
        self,
        inputs: Sequence[Values],
        theta: Floats | None = None,
        *,
        path: str = "",
        train: bool = False,
        seed: int = 0,
        inputs_back: bool = False,
    ) -> list[Values]:
        """What the module gives for each input in turn, then the inputs as they are after."""
        arrays = [] if theta is None else [theta]
        _, values = self._ask(
            "call",
            [*arrays, *inputs],
            path=path,
            train=train,
            seed=seed,
            theta=theta is not None,
            inputs_back=inputs_back,
        )
        if len(values) != len(inputs) * (1 + inputs_back):
            raise self._worker.broken(f"{len(values)} outputs for {len(inputs)} inputs")
        return values

    def sweep(
        self, x: Values, theta: Floats, indices: Indices, *, path: str = "", step: float = 1.0
    ) -> Floats:
        """Outputs with one parameter element after another raised by `step`: (n, *output)."""
        _, values = self._ask(
            "sweep", [theta, x, indices.astype(np.int64)], path=path, step=step
        )
        if len(values) != 1 or values[0].shape[:1] != indices.shape:
            raise self._worker.broken("not one output for each element")
        self.expect_shape(values[0][0], x, path)
        return values[0]

    def gradient(
        self,
        x: Values,
        theta: Floats,
        weights: Values,
        *,
        path: str = "",
        train: bool = False,
        seed: int = 0,
    ) -> tuple[Floats, list[Values | None]]:
        """The output, and autograd's gradients of sum(output * weights).

        One gradient (or None) for each parameter, then one for the input.
        """
        header, values = self._ask(
            "gradient", [theta, x, weights], path=path, train=train, seed=seed
        )
        present = header.get("present")
        count = len(self.parameters) + 1
        if not isinstance(present, list) or len(present) != count or not values:
            raise self._worker.broken("the list of gradients")
        if sum(flag is True for flag in present) != len(values) - 1:
            raise self._worker.broken("the number of gradients")
        remaining = iter(values[1:])
        return values[0], [next(remaining) if flag is True else None for flag in present]

    def trace(self, x: Values, device: str = "cpu") -> list[str]:
        """Names of the torch functions that a forward calls. The model is spent afterwards."""
        header, _ = self._ask("trace", [x], device=device)
        names = header.get("functions")
        if not isinstance(names, list):
            raise self._worker.broken("the list of functions")
        return [str(name)[:100] for name in names[:500]]

    def below(self, path: str) -> Indices:
        """Flat indices of the parameters that belong to the module at `path`."""
        names = next(part.parameters for part in self.parts if part.path == path)
        chosen = [p.indices.ravel() for p in self.parameters if p.name in names]
        return np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.intp)

    def own(self, kind: str) -> list[Part]:
        """The distinct outermost modules that are of the submitted class `kind`, in order."""
        found: list[Part] = []
        for part in self.parts:
            inside = any(part.path.startswith(f"{outer.path}.") for outer in found)
            known = any(part.identity == other.identity for other in found)
            if part.kind == kind and part.path and not inside and not known:
                found.append(part)
        return found

    def expect_shape(self, output: Values, x: Values, path: str = "") -> None:
        """Raise CandidateError unless the output has the shape and dtype that x calls for."""
        if path == "" and x.dtype == np.int64:
            if output.shape[:-1] != x.shape:
                expected = (*x.shape, "vocab_size")
                raise CandidateError(
                    "error", f"expected logits of shape {expected}, found {output.shape}"
                )
        elif output.shape != x.shape:
            raise CandidateError(
                "error", f"expected output of shape {x.shape}, found {output.shape}"
            )
        if output.dtype != self.dtype:
            raise CandidateError(
                "error", f"expected output of dtype {self.dtype}, found {output.dtype}"
            )

    def _ask(
        self, question: str, arrays: Sequence[Values], **header: Any
    ) -> tuple[dict[str, Any], list[Values]]:
        return self._subject.ask(
            self._worker, self.name, question, arrays, model=self._number, **header
        )


def _parameters(listing: list[dict[str, Any]], values: list[Values]) -> list[Parameter]:
    parameters = []
    start = 0
    for entry, value in zip(listing, values, strict=True):
        shape = tuple(int(size) for size in entry["shape"])
        if shape != value.shape:
            raise ValueError(f"{shape} is not {value.shape}")
        parameters.append(
            Parameter(str(entry["name"])[:300], shape, start, entry["trainable"] is True)
        )
        start += value.size
    return parameters


def _part(entry: dict[str, Any]) -> Part:
    kind = entry["kind"]
    return Part(
        str(entry["path"])[:300],
        int(entry["identity"]),
        None if kind is None else str(kind)[:100],
        str(entry["type"])[:100],
        tuple(str(name)[:300] for name in entry["parameters"]),
    )
