"""Answers the parent's questions about one submission, over one connection.

A question is one frame and so is its answer. Whatever goes wrong in the submission comes back as
an `error` with the candidate's own traceback. Nothing here compares anything with anything.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import resolve_name

from grader.sandbox import wire
from grader.sandbox.worker import audit, describe, probe, ready_made, tensors, uncompiled
from grader.sandbox.worker.functions import Functions
from grader.sandbox.worker.helpers import Helpers
from grader.sandbox.worker.imported import Imported
from grader.sandbox.worker.model_answers import DTYPES, ModelAnswers
from grader.sandbox.worker.models import Model
from grader.sandbox.worker.printed import Printed
from grader.sandbox.worker.reach import Reach
from grader.sandbox.worker.ways import Ways


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
        self.models: dict[int, Model] = {}
        self.functions = Functions()
        objects = self.functions.objects
        self.submission = Imported(connection, reach, objects)
        self.questions: dict[str, Callable[..., wire.Message]] = {
            "probe": self.probe,
            "load": self.submission.load,
            "run": self.run,
            "help": Helpers(self.models, objects).help,
            **ModelAnswers(self.submission, self.models, objects).questions,
            **Ways(self.models, self.submission).questions,
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
            return wire.Message({"error": describe.exception(error, self.submission.own_files())})

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
        target = (
            self.submission.classes[name] if on is None else getattr(functions.objects[on], name)
        )
        torchs = DTYPES[dtype]
        return functions.run(target, arrays, args, given, keep, seed, torchs, watch, recording)
