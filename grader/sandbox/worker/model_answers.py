"""Answers about the submission's models: build, set, call, sweep, differentiate, trace."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from grader.sandbox import wire
from grader.sandbox.worker import describe, lazy, tensors, trace
from grader.sandbox.worker.computed import Weighing
from grader.sandbox.worker.imported import Imported
from grader.sandbox.worker.models import Model, WeighedModel
from grader.sandbox.worker.pretend import SINGLE, pretending
from grader.sandbox.worker.segments import Joining

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class ModelAnswers:
    """Answers about models. models: by number; objects: what else lives in the worker."""

    def __init__(
        self, submission: Imported, models: dict[int, Model], objects: dict[str, Any]
    ) -> None:
        self.submission = submission
        self.models = models
        self.objects = objects
        self.questions: dict[str, Callable[..., wire.Message]] = {
            "build": self.build,
            "adopt": self.adopt,
            "call": self.call,
            "sweep": self.sweep,
            "gradient": self.gradient,
            "trace": self.trace,
            "weigh": self.weigh,
            "slopes": self.slopes,
            "lend": self.lend,
        }

    def build(
        self,
        arrays: tuple[wire.Array, ...],
        model: int,
        name: str,
        args: list[Any],
        kwargs: dict[str, Any],
        seed: int,
        dtype: str,
        convert: bool,
        pretend: str,
        joined: bool,
    ) -> wire.Message:
        """Construct a model under `dtype` as default, or convert it to that afterwards.

        With an array, which is an input, its weights are those that it computes from parameters.
        pretend: what it is told of its dtype or device, see `grader.sandbox.worker.pretend`.
        """
        as_told = self._told(pretend)

        def make() -> nn.Module:
            torch.set_default_dtype(DTYPES["float32" if convert and pretend != SINGLE else dtype])
            built = self.submission.class_(name)(*args, **kwargs)
            if not isinstance(built, nn.Module):
                raise TypeError(f"{name}(...) gave {type(built).__name__}, not an nn.Module")
            lazy.settle(built, args, kwargs)
            return built.to(DTYPES[dtype]) if convert else built

        # Not torch.manual_seed, which takes half a millisecond to queue the seed for other devices.
        torch.default_generator.manual_seed(seed)
        with as_told():
            built = make()
        plain = Model(built, torch.get_default_dtype(), as_told, make)
        tensors.expect_whole(plain.named, plain.values)
        kinds = (Joining, partial(Joining, inputs=False)) if joined else (Weighing,)
        known = WeighedModel(plain, tensors.decode(arrays[0]), kinds) if arrays else plain
        return self._describe(model, known)

    def _told(self, pretend: str) -> Callable[[], AbstractContextManager[None]]:
        """What to put around the submission's code for it to be told that."""
        if not pretend:
            return nullcontext
        return partial(pretending, pretend, self.submission.modules())

    def call(
        self,
        arrays: tuple[wire.Array, ...],
        model: int,
        paths: list[str],
        in_a_row: bool,
        train: bool,
        seeds: list[int],
        theta: bool,
        inputs_back: bool,
    ) -> wire.Message:
        """Outputs of modules of the model, each for each input, and the inputs as they are after.

        in_a_row: each module is given what the one before gives; what the last one gives counts.
        seeds: one before the first input, or one before each. With `theta` the first array holds
        the values of all parameters, or rows of such; then the outputs are those for each row.
        """
        target = self.models[model]
        rows = np.atleast_2d(_numbers(arrays[0])) if theta else [None]
        modules = [target.use(path, train) for path in paths]
        if in_a_row:
            modules = [_in_a_row(modules)]
        outputs = []
        for row in rows:
            if row is not None:
                target.set(row)
            # Made anew for each row: a submission may have changed those of the one before.
            inputs = [tensors.decode(array) for array in (arrays[1:] if theta else arrays)]
            # As a model is used: gradients are recorded in training, and when they are asked for.
            with torch.set_grad_enabled(train and torch.is_grad_enabled()):
                for module in modules:
                    for x, seed in itertools.zip_longest(inputs, seeds):
                        if seed is not None:
                            torch.default_generator.manual_seed(seed)
                        outputs.append(module(x))
        tensors.expect_plain(outputs)
        sent = [*outputs, *inputs] if inputs_back else outputs
        return wire.Message({}, tuple(tensors.encode(output) for output in sent))

    def sweep(
        self, arrays: tuple[wire.Array, ...], model: int, path: str, step: float
    ) -> wire.Message:
        """Outputs of one module with one parameter element after another raised by `step`.

        Arrays: the values of all parameters, the input, the flat indices of the elements.
        """
        target = self.models[model]
        theta, x_array, indices_array = arrays
        target.set(_numbers(theta))
        module = target.use(path, False)
        x = tensors.decode(x_array)
        outputs = []
        with torch.no_grad():
            for index in tensors.decode(indices_array).tolist():
                element = target.element(index)
                before = element.item()
                element.fill_(before + step)
                outputs.append(module(x))
                element.fill_(before)
        tensors.expect_plain(outputs)
        return wire.Message({}, (tensors.encode(torch.stack(outputs)),))

    def gradient(
        self, arrays: tuple[wire.Array, ...], model: int, path: str, train: bool, seed: int
    ) -> wire.Message:
        """What autograd says of sum(output * weights).

        Arrays: the values of all parameters, the input, the weights. Back come the output, and
        the gradient of each parameter and of a floating-point input where there is one.
        """
        target = self.models[model]
        theta, x_array, weights_array = arrays
        target.set(_numbers(theta))
        module = target.use(path, train)
        torch.default_generator.manual_seed(seed)
        x = tensors.decode(x_array)
        if x.is_floating_point():
            x.requires_grad_(True)
        for parameter in target.parameters:
            parameter.grad = None
        output = module(x)
        tensors.expect_plain([output])
        if output.requires_grad:
            total = (output * tensors.decode(weights_array)).sum()
            with target.as_told():  # functions of its own may have a part in it
                total.backward()
        gradients = [leaf.grad for leaf in [*target.parameters, x]]
        present = [gradient is not None for gradient in gradients]
        return wire.Message(
            {"present": present},
            tuple(tensors.encode(t) for t in [output, *gradients] if t is not None),
        )

    def trace(self, arrays: tuple[wire.Array, ...], model: int) -> wire.Message:
        """The names of the torch functions that one forward calls, and of those that would fail
        on another device; and its output.
        """
        target = self.models[model]
        torch.default_generator.manual_seed(0)
        with target.as_told():
            called, device_mismatches, output = trace.run(target.module, tensors.decode(arrays[0]))
        tensors.expect_plain([output])
        return wire.Message(
            {"functions": called, "device_mismatches": device_mismatches}, (tensors.encode(output),)
        )

    def weigh(self, arrays: tuple[wire.Array, ...], model: int) -> wire.Message:
        """The weights that a model computes. The array holds the values of all parameters."""
        target = self.models[model]
        assert isinstance(target, WeighedModel)
        return wire.Message(
            {}, tuple(map(tensors.encode, target.weights(tensors.decode(arrays[0]).numpy())))
        )

    def slopes(self, arrays: tuple[wire.Array, ...], model: int, step: float) -> wire.Message:
        """How fast weights that a model computes change with some of its parameters.

        Arrays: the values of all parameters, the flat indices of parameters and those of weights.
        Back comes a row for each of the parameters.
        """
        target = self.models[model]
        assert isinstance(target, WeighedModel)
        theta = tensors.decode(arrays[0]).numpy().copy()
        parameters, weights = (tensors.decode(array) for array in arrays[1:])

        def weigh() -> torch.Tensor:
            return torch.cat([value.reshape(-1) for value in target.weights(theta)])[weights]

        start, rows = weigh(), []
        for index in parameters.tolist():
            before = theta[index]
            theta[index] = before + step
            rows.append((weigh() - start) / step)
            theta[index] = before
        return wire.Message({}, (tensors.encode(torch.stack(rows).to(torch.float64)),))

    def lend(
        self, arrays: tuple[wire.Array, ...], model: int, path: str, held: str
    ) -> wire.Message:
        """Give another model what buffers of the module at `path` were born with."""
        other = self.objects[held]
        with self.models[model].as_told():
            self.models[model].lend(other, path)
        return wire.Message({})

    def adopt(self, arrays: tuple[wire.Array, ...], held: str, model: int) -> wire.Message:
        """Make a held module one of the models, as if it had been built.

        With an array, which is an input, its weights are those that it computes from parameters.
        """
        built = self.objects[held]
        if not isinstance(built, nn.Module):
            raise TypeError(f"expected an nn.Module, found {type(built).__name__}")
        plain = Model(built, torch.get_default_dtype())
        weighed = WeighedModel(plain, tensors.decode(arrays[0])) if arrays else plain
        return self._describe(model, weighed)

    def _describe(self, number: int, model: Model) -> wire.Message:
        self.models[number] = model
        self.objects[f"model:{number}"] = model.module
        text = describe.model(model.module, model.named, self.submission.classes)
        described = wire.Array("uint8", (len(text),), text)  # longer, perhaps, than a header may be
        return wire.Message({}, (described, *(tensors.encode(values) for values in model.values)))


def _in_a_row(modules: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """The modules one after the other, up to the first that gives no tensor."""

    def run(x: Any) -> Any:
        for module in modules:
            if tensors.unsendable([x]) is None:
                x = module(x)
        return x

    return run


def _numbers(array: wire.Array) -> np.ndarray:
    """A wire array for what is written to parameters."""
    return tensors.decode(array).numpy()
