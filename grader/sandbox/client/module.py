"""A model that lives in a worker: its parameters as one flat vector, and questions to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from grader.sandbox.client.decoding import decoding
from grader.sandbox.client.description import Indices, Parameter, Part, read
from grader.sandbox.client.exchange import RemoteRef, helping, unpacked
from grader.sandbox.client.expected import ABSURD, sensible, shape_cause
from grader.sandbox.client.faults import NOT_FINITE, CandidateError, WorkerLost
from grader.sandbox.client.worker import Values, Worker

Floats = NDArray[np.float64]
_QUESTION_BYTES = 500_000  # of parameters' values that are sent at a time
_ANSWER_NUMBERS = 250_000  # that come back at a time
Answer = tuple[dict[str, Any], list[Values]]
AnyModule = TypeVar("AnyModule", bound="Module")


class Module:
    """A model in a worker. Its parameters are known here as one flat float64 vector."""

    def __init__(
        self,
        name: str,
        ask: Callable[..., Answer],
        worker: Worker,
        description: Answer,
        dtype: str,
        number: int = 0,
    ) -> None:
        _, values = description
        self.name = name
        self.itself = RemoteRef(f"model:{number}", worker)  # to give to a function
        self.dtype = np.dtype(dtype)
        self.spare: frozenset[str] = frozenset()  # parameters found to be used by nothing
        # What a part uses of a parameter that others use, too, by its path and the name.
        self.shares: dict[tuple[str, str], Indices] | None = None
        self.told_single = False  # whether it takes its float64 numbers for float32
        self._ask = ask
        self._worker = worker
        with decoding(worker.broken, f"the description of {name}"):
            self.parameters, self.parts, values = read(values)
        worker.expect_bearable(sum(value.size for value in values), name)
        flat = [value.astype(np.float64).ravel() for value in values]
        self.initial: Floats = np.concatenate(flat) if flat else np.zeros(0)
        self.trainable = np.zeros(self.initial.size, dtype=bool)
        for parameter in self.parameters:
            self.trainable[parameter.indices] = parameter.trainable

    def ask(self, question: str, arrays: Sequence[Values] = (), **header: Any) -> Answer:
        """A question about this model. What comes back is yet to be checked."""
        return self._ask(question, arrays, **header)

    def help(self, target: str, /, *args: object, **given: object) -> Any:
        """What one of the grader's own functions in the worker gives for this model, such as
        "classification.read". What comes back is yet to be checked.
        """
        question, packer = helping(target, args, given)
        answer, values = self._ask("help", packer.arrays, **question)
        with decoding(self.broken, f"what {self.name} did"):
            return unpacked(answer["value"], values)

    def keep(self, held: RemoteRef, target: str, /, *args: object) -> RemoteRef:
        """The same, with what it gives held in the worker, at the place of `held`."""
        question, packer = helping(target, args, {})
        self._ask("help", packer.arrays, **question | {"keep": held.place})
        return held

    def broken(self, what: str) -> WorkerLost:
        """End the worker, whose answer does not fit its question."""
        return self._worker.broken(what)

    def raise_reported(self, header: dict[str, Any]) -> None:
        """Raise CandidateError if that is what a part of an answer reports."""
        self._worker.raise_reported(header)

    @property
    def alive(self) -> bool:
        """Whether its worker is."""
        return self._worker.alive

    def at(self, path: str) -> View:
        """The module at `path` inside this one, as a function of all its parameters."""
        return View(self, path)

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
        return self.outputs([x], theta, path=path, train=train, seed=seed)[0]

    def outputs(
        self,
        inputs: Sequence[Values],
        theta: Floats | None = None,
        *,
        path: str = "",
        train: bool = False,
        seed: int = 0,
        inputs_back: bool = False,
        any_shape: bool = False,
        any_values: bool = False,
    ) -> list[Values]:
        """What the module gives for each input in turn, finite (else any_values) and as expected
        (else any_shape).

        inputs_back: then the inputs as they are afterwards.
        """
        return self._outputs(
            inputs,
            theta,
            [path],
            train,
            [seed],
            inputs_back=inputs_back,
            any_shape=any_shape,
            any_values=any_values,
        )

    def samples(
        self, x: Values, theta: Floats, seeds: Sequence[int], *, path: str = ""
    ) -> list[Values]:
        """The outputs for one input in train mode, one for each seed."""
        return self._outputs([x] * len(seeds), theta, [path], True, seeds)

    def alike(self, inputs: Sequence[Values], theta: Floats, seed: int) -> list[Values]:
        """The output for each input in train mode, chance being the same before each."""
        return self._outputs(inputs, theta, [""], True, [seed] * len(inputs))

    def at_points(self, x: Values, thetas: Floats) -> list[Values]:
        """The outputs for one input, one for each row of thetas."""
        together = max(1, _QUESTION_BYTES // max(1, thetas[0].nbytes))
        parts = (thetas[start : start + together] for start in range(0, len(thetas), together))
        return [output for part in parts for output in self._outputs([x], part, [""], False, [0])]

    def at_paths(self, x: Values, theta: Floats, paths: Sequence[str]) -> list[Values]:
        """The output of each of the modules inside for one input."""
        return self._outputs([x], theta, paths, False, [0])

    def through(self, x: Values, theta: Floats, paths: Sequence[str]) -> Values:
        """The output of modules inside of which each is given what the one before gives."""
        return self._outputs([x], theta, paths, False, [0], in_a_row=True)[0]

    def _outputs(
        self,
        inputs: Sequence[Values],
        theta: Floats | None,
        paths: Sequence[str],
        train: bool,
        seeds: Sequence[int],
        *,
        in_a_row: bool = False,
        inputs_back: bool = False,
        any_shape: bool = False,
        any_values: bool = False,
    ) -> list[Values]:
        arrays = [] if theta is None else [theta]
        _, values = self._ask(
            "call",
            [*arrays, *inputs],
            paths=list(paths),
            in_a_row=in_a_row,
            train=train,
            seeds=list(seeds),
            theta=theta is not None,
            inputs_back=inputs_back,
        )
        rows = 1 if theta is None or theta.ndim == 1 else len(theta)
        asked = list(inputs) * rows * (1 if in_a_row else len(paths))
        if len(values) != len(asked) + len(inputs) * inputs_back:
            raise self._worker.broken(f"{len(values)} outputs for {len(asked)} inputs")
        self._expect_numbers(values[: len(asked)])
        if not any_values:
            self._expect_sensible(values)
        if not any_shape:
            for output, x in zip(values, asked, strict=False):
                self.expect_shape(output, x)
        return values

    def sweep(
        self, x: Values, theta: Floats, indices: Indices, *, path: str = "", step: float = 1.0
    ) -> Floats:
        """Outputs with one parameter element after another raised by `step`: (n, *output)."""
        if not indices.size:
            return np.zeros((0, *self.call(x, theta, path=path).shape))
        _, values = self._ask("sweep", [theta, x, indices.astype(np.int64)], path=path, step=step)
        if len(values) != 1 or values[0].shape[:1] != indices.shape:
            raise self._worker.broken("not one output for each element")
        self.expect_shape(values[0][0], x)
        self._expect_sensible(values)
        return values[0]

    def _expect_numbers(self, outputs: Sequence[Values]) -> None:
        """Raise CandidateError for truth values and integers, which no arithmetic is for."""
        for output in outputs:
            if output.dtype.kind != "f":
                message = f"expected output of dtype {self.dtype}, found {output.dtype}"
                raise CandidateError("fail", message, cause="wrong-dtype")

    def _expect_sensible(self, outputs: Sequence[Values]) -> None:
        if all(sensible(output) for output in outputs):
            return
        if all(np.isfinite(output).all() for output in outputs):
            raise CandidateError("fail", f"the output has values above {ABSURD:g}", cause="")
        raise CandidateError("fail", NOT_FINITE, cause="not-finite")

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
        gradients = [next(remaining) if flag is True else None for flag in present]
        shapes = [*(parameter.shape for parameter in self.parameters), x.shape]
        for gradient, shape in zip(gradients, shapes, strict=True):
            if gradient is not None and gradient.shape != shape:
                raise self._worker.broken("the shape of a gradient")
            if gradient is not None and not sensible(gradient):
                raise CandidateError(
                    "fail",
                    f"a gradient has NaN, infinite values or some above {ABSURD:g}",
                    cause="not-finite",
                )
        self._expect_numbers(values[:1])
        self._expect_sensible(values[:1])
        return values[0], gradients

    def weigh(self, theta: Floats) -> Floats:
        """The weights that a `weighed` model computes from these parameters, laid end to end."""
        _, values = self._ask("weigh", [theta])
        if [value.shape for value in values] != [p.shape for p in self.parameters]:
            raise self._worker.broken("the computed weights")
        self._expect_sensible(values)
        return np.concatenate([value.astype(np.float64).ravel() for value in values])

    def slopes(self, theta: Floats, parameters: Indices, weights: Indices, step: float) -> Floats:
        """How fast weights of a `weighed` model change with some of its parameters: a row each."""
        together = max(1, _ANSWER_NUMBERS // max(1, weights.size))
        rows = [np.zeros((0, weights.size))]
        for first in range(0, parameters.size, together):
            some = parameters[first : first + together]
            arrays = [theta, some.astype(np.int64), weights.astype(np.int64)]
            _, values = self._ask("slopes", arrays, step=step)
            if [value.shape for value in values] != [(some.size, weights.size)]:
                raise self._worker.broken("how weights change")
            self._expect_numbers(values)
            self._expect_sensible(values)
            rows.append(values[0])
        return np.concatenate(rows)

    def lend(self, path: str, other: Module) -> None:
        """Give another model what buffers of the module at `path` were born with at random."""
        self._ask("lend", [], path=path, held=other.itself.place)

    def trace(self, x: Values) -> tuple[list[str], list[str], Floats]:
        """Names of torch functions that a forward calls, of those that would mix devices, and the
        output.
        """
        header, values = self._ask("trace", [x])
        lists = []
        for key in ("functions", "device_mismatches"):
            names = header.get(key)
            if not isinstance(names, list) or len(values) != 1:
                raise self._worker.broken("the list of functions")
            lists.append([str(name)[:100] for name in names[:500]])
        self._expect_numbers(values)
        return lists[0], lists[1], values[0]

    @property
    def used(self) -> list[Parameter]:
        """The parameters that are not spare."""
        return [parameter for parameter in self.parameters if parameter.name not in self.spare]

    def below(self, path: str, used: bool = False) -> Indices:
        """Flat indices of the parameters (used: that are not spare) of the module at `path`, in
        the order in which it has them.
        """
        names = [name for part in self.parts if part.path == path for name in part.parameters]
        among = {p.name: p.indices for p in (self.used if used else self.parameters)}
        shares = self.shares or {}
        chosen = [shares.get((path, n), among[n]).ravel() for n in names if n in among]
        return np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.intp)

    def own(self, kind: str) -> list[Part]:
        """The distinct outermost modules that are of the submitted class `kind`, in order.

        Those are left out of which nothing is used.
        """
        found: list[Part] = []
        paths: set[str] = set()
        known: set[int] = set()
        for part in self.parts:
            words = part.path.split(".")
            inside = any(".".join(words[:count]) in paths for count in range(1, len(words)))
            spare = bool(part.parameters) and self.spare.issuperset(part.parameters)
            again = part.identity in known
            if part.kind == kind and part.path and not (inside or spare or again):
                found.append(part)
                paths.add(part.path)
                known.add(part.identity)
        return found

    def expect_shape(self, output: Values, x: Values) -> None:
        """Raise CandidateError unless the output has the shape and dtype that x calls for."""
        if x.dtype == np.int64:
            fits, expected = output.shape[:-1] == x.shape, f"{x.shape} and a last axis"
        else:
            fits, expected = output.shape == x.shape, str(x.shape)
        if not fits:
            raise CandidateError(
                "fail",
                f"expected output of shape {expected}, found {output.shape}",
                cause=shape_cause(output.shape, x),
            )
        if output.dtype != self.dtype:
            raise CandidateError(
                "fail",
                f"expected output of dtype {self.dtype}, found {output.dtype}",
                cause="wrong-dtype",
            )


class View:
    """A module inside a model, as a `ParameterProbe` that the layout searches can ask."""

    def __init__(self, module: Module, path: str) -> None:
        self.module = module
        self.path = path
        self.indices = module.below(path, used=True)

    def draw(self, rng: np.random.Generator, scale: float = 1.0) -> Floats:
        """Parameters of the whole model: random and away from zero where they are trained."""
        size = self.module.initial.size
        drawn = scale * rng.uniform(0.4, 1.0, size) * rng.choice([-1.0, 1.0], size)
        return np.where(self.module.trainable, drawn, self.module.initial)

    def call(self, theta: Floats, x: Values) -> Floats:
        """The output of this module for parameters theta."""
        return self.module.call(x, theta, path=self.path)

    def steady(self, theta: Floats, x: Values) -> bool:
        """Whether the output is the same when chance and the calls before are others."""
        first, other = (self.module.call(x, theta, path=self.path, seed=s) for s in (0, 1))
        return bool((first == other).all())

    def sweep(self, theta: Floats, x: Values, indices: Indices, step: float = 1.0) -> Floats:
        """Outputs (n, …) with one element of theta after another raised by `step`."""
        return self.module.sweep(x, theta, indices, path=self.path, step=step)
