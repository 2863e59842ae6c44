"""Answers the parent's questions about one submission: build, set, call, sweep, differentiate.

A question is one frame and so is its answer. Whatever goes wrong in the submission comes back as
an `error` with the candidate's own traceback. Nothing here compares anything with anything.
"""

from __future__ import annotations

import inspect
import itertools
import socket
import sys
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import resolve_name

from grader.sandbox import wire
from grader.sandbox.worker import (
    audit,
    describe,
    lazy,
    places,
    probe,
    ready_made,
    stand_ins,
    tensors,
    trace,
    uncompiled,
)
from grader.sandbox.worker.adapted import Adapted
from grader.sandbox.worker.computed import Weighing
from grader.sandbox.worker.functions import Functions
from grader.sandbox.worker.helpers import Helpers
from grader.sandbox.worker.loader import SubmissionFinder, hide_the_kit, load
from grader.sandbox.worker.missing import MissingPackages
from grader.sandbox.worker.models import Model, WeighedModel
from grader.sandbox.worker.pretend import DEVICES, SINGLE, pretending
from grader.sandbox.worker.printed import Printed
from grader.sandbox.worker.reach import Reach
from grader.sandbox.worker.segments import Joining
from grader.sandbox.worker.ways import Ways
from grader.sandbox.worker.weights import Weights

_DTYPES = {"float32": torch.float32, "float64": torch.float64}


def prepare() -> None:
    """What the fork server does once, before any fork: settings only, no operation."""
    torch.set_num_threads(1)
    resolve_name(prepare)  # torch makes the table of all its functions once, for all traces
    uncompiled.install()
    audit.announce_silent_calls()
    ready_made.prepare()


class RequestHandler:
    """One worker's side of the conversation, over one connection.

    mechanisms: of the lock-down, as they took effect; reach: what a submission may read.
    """

    def __init__(
        self, connection: socket.socket, mechanisms: tuple[str, ...], reach: Reach
    ) -> None:
        self.connection = connection
        self.mechanisms = mechanisms
        self.reach = reach
        self.finder: SubmissionFinder | None = None
        self.classes: dict[str, Any] = {}
        self.adapted: dict[str, Adapted] = {}
        self.models: dict[int, Model] = {}
        self.functions = Functions()
        objects = self.functions.objects
        self.questions: dict[str, Callable[..., wire.Message]] = {
            "probe": self.probe,
            "load": self.load,
            "build": self.build,
            "call": self.call,
            "sweep": self.sweep,
            "gradient": self.gradient,
            "trace": self.trace,
            "run": self.run,
            "adopt": self.adopt,
            "help": Helpers(self.models, objects).help,
            **Ways(self.models, self._class, self._own_files).questions,
            **Weights(self.models, objects).questions,
        }

    def serve(self) -> None:
        """Answer until the parent hangs up, and say what was printed meanwhile."""
        printed = Printed()
        while True:
            try:
                question = wire.receive(self.connection, None)
            except wire.ClosedError:
                return
            answer = self.answer(question)
            text = printed.take()
            if text:
                answer.header["aside"] = text
            try:
                wire.send(self.connection, answer)
            except wire.WireError as error:
                told = describe.exception(ValueError(f"the answer is too long: {error}"), ())
                wire.send(self.connection, wire.Message({"error": told}))

    def _tell_attempt(self, what: str) -> None:
        names = self.finder.names if self.finder else ()
        place = places.of_frame(sys._getframe(), names)
        wire.send(self.connection, wire.Message({"attempt": what, "place": place}))

    def _tell_late(self, place: places.Place | None) -> None:
        wire.send(self.connection, wire.Message({"late": True, "place": place}))

    def probe(
        self, arrays: tuple[wire.Array, ...], name: str, canary: str, port: int, pid: int
    ) -> wire.Message:
        """What this worker can do that it should not; asked of one that loads no submission."""
        works = probe.works(name, canary, port, pid)
        return wire.Message({"works": works, "mechanisms": self.mechanisms})

    def answer(self, question: wire.Message) -> wire.Message:
        """The answer to one question; an exception of the submission becomes an `error`."""
        header = dict(question.header)
        try:
            return self.questions[header.pop("ask")](arrays=question.arrays, **header)
        except tensors.UnsendableError as error:
            return wire.Message({"unsendable": error.found})
        # A submission may raise SystemExit or KeyboardInterrupt: these too are its own errors.
        except BaseException as error:
            return wire.Message({"error": describe.exception(error, self._own_files())})

    def _class(self, name: str) -> Callable[..., Any]:
        """The class of that name, with the brief's names and arguments."""
        found: Callable[..., Any] = self.adapted.get(name, self.classes[name])
        return found

    def _own_files(self) -> Collection[str]:
        """Names of the submission's files."""
        return self.finder.names if self.finder else ()

    def load(
        self,
        arrays: tuple[wire.Array, ...],
        folder: str,
        files: list[str],
        main: str,
        package: str | None,
        classes: list[str],
        base: str | None,
        base_classes: list[str],
        replaced: list[str],
        taken: dict[str, dict[str, Any]],
        seconds: float,
        only: dict[str, list[int]] | None,
        missing: list[str],
        ready_made_too: bool,
    ) -> wire.Message:
        """Import the submission; says which of the classes it has.

        base: the file that it builds on, which has the base_classes; replaced: the classes that
        the grader's own stand in for; taken: of classes that have other names or arguments than
        the brief's, where they are and how they are built; seconds: how long it may take; only: as
        of SubmissionFinder; missing: packages of which nothing is there; ready_made_too: whether
        it may use torch's own Transformers.
        """
        texts = {name: array.data for name, array in zip(files, arrays, strict=True)}
        finder = self.finder = SubmissionFinder(folder, texts, package, only)
        sys.meta_path.append(MissingPackages(missing))
        sys.argv[:] = [f"{folder}/{main}"]
        own = audit.own_files(finder.names)
        audit.Watch(self.reach, own, self._tell_attempt).start()
        hide_the_kit()
        ready_made.allow() if ready_made_too else ready_made.take_away()
        try:
            with places.Watchdog(seconds, finder.names, self._tell_late):
                module, found = self._loaded(finder, main, classes, base, base_classes, taken)
        except BaseException as error:
            told = describe.exception(error, finder.names)
            lacking = error.name if isinstance(error, ModuleNotFoundError) else None
            place = places.of_error(error, finder.names)
            return wire.Message({"error": told, "place": place, "missing": lacking})
        self.classes.update(found)
        if replaced:
            modules = [module, *stand_ins.modules_of(finder.names)]
            stand_ins.install(replaced, self.classes, modules)
            for name in self.adapted.keys() & set(replaced):
                self.adapted.pop(name).stand_in(self.classes[name])
        failed = [
            {"error": describe.exception(error, finder.names), "names": names}
            for error, names in finder.failed
        ]
        self.functions.objects.update((f"own:{name}", it) for name, it in self.classes.items())
        said = {n: describe.callable_(n, item) for n, item in self.classes.items()}
        return wire.Message({"classes": said, "failed": failed})

    def _loaded(
        self,
        finder: SubmissionFinder,
        main: str,
        classes: list[str],
        base: str | None,
        base_classes: list[str],
        taken: dict[str, dict[str, Any]],
    ) -> tuple[ModuleType, dict[str, Any]]:
        """The main module, and what the files have of the classes."""
        # With a device that is not here nothing would come of it.
        names_one = any(b"cuda" in text or b"mps" in text for text in finder.files.values())
        with pretending(DEVICES if names_one else ""):
            module = load(finder, main)
        found = {name: getattr(module, name) for name in classes if hasattr(module, name)}
        found |= self._taken(taken, main, module)
        if base is not None:
            below = load(finder, base)
            of_base = {name: getattr(below, name) for name in base_classes if hasattr(below, name)}
            found = of_base | found
        return module, found

    def _taken(
        self, taken: dict[str, dict[str, Any]], main: str, module: ModuleType
    ) -> dict[str, Any]:
        """What is taken for classes of the brief. module: that of the main file."""
        finder = self.finder
        assert finder is not None

        def load_own(file: str) -> ModuleType:
            return module if file == main else load(finder, file)

        found = {}
        for name, about in taken.items():
            kind = getattr(load_own(about["file"]), about["own"], None)
            if kind is not None:
                found[name] = kind
                if about["plan"] and inspect.isclass(kind):
                    self.adapted[name] = Adapted(kind, about["plan"], load_own, main)
        return found

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
            torch.set_default_dtype(_DTYPES["float32" if convert and pretend != SINGLE else dtype])
            built = self.adapted.get(name, self.classes[name])(*args, **kwargs)
            if not isinstance(built, nn.Module):
                raise TypeError(f"{name}(...) gave {type(built).__name__}, not an nn.Module")
            lazy.settle(built, args, kwargs)
            return built.to(_DTYPES[dtype]) if convert else built

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
        assert self.finder is not None
        return partial(pretending, pretend, stand_ins.modules_of(self.finder.names))

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

    def run(
        self,
        arrays: tuple[wire.Array, ...],
        name: str,
        on: str | None,
        args: list[Any],
        given: list[Any],
        keep: str | None,
        seed: int,
        dtype: str,
        watch: bool,
        recording: bool,
    ) -> wire.Message:
        """Call a function or class of the submission, or a method of a held object."""
        functions = self.functions
        target = self.classes[name] if on is None else getattr(functions.objects[on], name)
        torchs = _DTYPES[dtype]
        return functions.run(target, arrays, args, given, keep, seed, torchs, watch, recording)

    def adopt(self, arrays: tuple[wire.Array, ...], held: str, model: int) -> wire.Message:
        """Make a held module one of the models, as if it had been built.

        With an array, which is an input, its weights are those that it computes from parameters.
        """
        built = self.functions.objects[held]
        if not isinstance(built, nn.Module):
            raise TypeError(f"expected an nn.Module, found {type(built).__name__}")
        plain = Model(built, torch.get_default_dtype())
        weighed = WeighedModel(plain, tensors.decode(arrays[0])) if arrays else plain
        return self._describe(model, weighed)

    def _describe(self, number: int, model: Model) -> wire.Message:
        self.models[number] = model
        self.functions.objects[f"model:{number}"] = model.module
        text = describe.model(model.module, model.named, self.classes)
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
