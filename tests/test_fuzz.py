"""Whatever a worker sends, the parent blames the submission: no decoder breaks, none grows."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from grader.catalogue import EXERCISES
from grader.exercises.classification import client as classification
from grader.exercises.kv_cache import client as cached
from grader.exercises.lora import client as lora
from grader.exercises.pretrained import client as pretrained
from grader.exercises.training import client as training
from grader.sandbox.client import LoadedSubmission, Module, Server, isolation, many, ways
from grader.sandbox.client.exchange import RemoteRef
from grader.sandbox.client.faults import CandidateError, WorkerLost
from grader.sandbox.client.function import call
from grader.sandbox.client.worker import Worker
from tests.bank import ROOT
from tests.frames import Sender, told

FEW, MANY = 6_000, 200_000  # frames
_MEGABYTES = 64  # that memory may grow meanwhile


class OneAnswer:
    """A server of workers each of which gives one answer, whatever it is asked."""

    SLOW = False

    def __init__(self) -> None:
        self.frame = b""
        self._theirs: socket.socket | None = None  # open: it takes the question

    def fork(self) -> tuple[int, socket.socket]:
        """A connection on which the answer lies already."""
        if self._theirs is not None:
            self._theirs.close()
        ours, self._theirs = socket.socketpair()
        self._theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self._theirs.sendall(self.frame)
        self._theirs.shutdown(socket.SHUT_WR)
        return 1, ours

    def end(self, pid: int, dying: bool = False) -> tuple[int, float]:
        """It has ended, and used no time."""
        return 0, 0.0

    def processor_seconds(self, pid: int) -> float:
        """None was used."""
        return 0.0

    def ask_where(self, pid: int) -> None:
        """Nowhere."""


_THETA = np.arange(6.0)
_X, _IDX = np.zeros((1, 2, 3)), np.zeros((1, 2), dtype=np.int64)


def _described() -> tuple[dict[str, Any], list[np.ndarray]]:
    told = {
        "parameters": [["weight", True]],
        "modules": [{"path": "", "identity": 1, "kind": None, "type": "Linear", "parameters": [0]}],
    }
    text = np.frombuffer(json.dumps(told).encode(), np.uint8)
    return {}, [text, _THETA.reshape(2, 3)]


class Asker:
    """Asks every question there is of a worker that has one answer."""

    def __init__(self, server: OneAnswer) -> None:
        self._server = server
        self._submission = EXERCISES["gpt2"].read(ROOT / "solutions" / "gpt2.py")
        facts = ("recorded", "train_mode_unchanged", "flags_kept", "gradients", "rng_unchanged")
        value = {
            "value": {"value": None},
            "after": [],
            "device_mismatches": [],
            "recording_kept": True,
        }
        value |= dict.fromkeys(facts, True)
        none: dict[str, Any] = {}
        logits = np.zeros((1, 2, 5))
        self.questions: dict[str, tuple[Callable[[], object], dict[str, Any], list[Any]]] = {
            "load": (lambda: self._subject().found_classes(), {"classes": {}, "failed": []}, []),
            "build": (lambda: self._live().build("MLP", [1]), *_described()),
            "adopt": (lambda: self._live().adopt(self._held(), "MLP"), *_described()),
            "call": (lambda: self._model().call(_X), none, [_X]),
            "outputs": (
                lambda: self._model().outputs([_X, _X], inputs_back=True),
                none,
                [_X] * 4,
            ),
            "samples": (lambda: self._model().samples(_X, _THETA, [1, 2]), none, [_X] * 2),
            "at_points": (
                lambda: self._model().at_points(_X, np.stack([_THETA] * 2)),
                none,
                [_X] * 2,
            ),
            "sweep": (
                lambda: self._model().sweep(_X, _THETA, np.array([0, 1])),
                none,
                [np.stack([_X] * 2)],
            ),
            "gradient": (
                lambda: self._model().gradient(_X, _THETA, _X),
                {"present": [True, False]},
                [_X, _THETA.reshape(2, 3)],
            ),
            "slopes": (
                lambda: self._model().slopes(_THETA, np.arange(3), np.arange(2), 0.1),
                none,
                [np.zeros((3, 2))],
            ),
            "lend": (lambda: (model := self._model()).lend("", model), none, []),
            "weigh": (lambda: self._model().weigh(_THETA), none, [_THETA.reshape(2, 3)]),
            "trace": (
                lambda: self._model().trace(_X),
                {"functions": ["a"], "device_mismatches": []},
                [_X],
            ),
            "ways": (
                lambda: ways.use(self._model(), [ways.Way((_X,), _THETA, weights=_X)]),
                {"ways": [{"count": 3, "remark": ""}]},
                [_X, _THETA, _X],
            ),
            "learn": (
                lambda: ways.learn(self._model(), _X, _X, [_X], 1),
                {"outside": 0, "longest": 1, "born": [], "called": []},
                [_THETA, _X, np.zeros(0), _THETA, _X],
            ),
            "count": (lambda: ways.count(self._model(), [1, 2]), {"counts": [1, 2]}, []),
            "steps": (
                lambda: self._cached().counted([cached.Piece(_IDX)]),
                *told(([logits], [[1, 0.5, 1]])),
            ),
            "run": (lambda: call(self._live(), "MLP", {"x": _X}), value, []),
            "each": (
                lambda: many.each(self._live(), None, "MLP", [1]),
                *told(([[0, 1, 2]], np.array([0.5]))),
            ),
            "attribute": (
                lambda: many.attribute(self._live(), self._held(), "a"),
                *told("abc"),
            ),
            "toy_state": (
                lambda: self._student().state(),
                *told(
                    {
                        **{"trained": [_THETA] * 5, "frozen": [_THETA], "gradients": [None] * 5},
                        **{"calls": [[1], [1], [1], [0]], "train": True, "learning": []},
                        "same": True,
                    }
                ),
            ),
            "toy_left": (lambda: self._student().left(_IDX), *told(_X)),
            "optimizer_steps": (
                lambda: training.steps(
                    self._live(), "MLP", self._held(), self._held(), [[_X]], [0.1]
                ),
                *told([[_X]]),
            ),
            "batches": (
                lambda: training.batches(self._live_of("get_batch"), np.arange(9), 1, 2),
                *told(([(_IDX, _IDX)], np.arange(9), True)),
            ),
            "differentiate": (
                lambda: training.differentiate(self._live(), "MLP", logits, _IDX, {}),
                *told((np.zeros(()), logits, True)),
            ),
            "call_each": (
                lambda: training.call_each(self._live(), "MLP", [{"a": 1.0}]),
                *told([1.0]),
            ),
            "training_steps": (
                lambda: training.go_on(
                    self._live_of("get_batch", "train_step", "learning_rate_at"),
                    *(self._held(), self._held(), np.arange(9), [0, 1], [1, 2], {}, 1.0),
                ),
                *told([1.0]),
            ),
            "read": (
                lambda: classification.read(self._model()),
                *told(([_THETA.reshape(2, 3)], [True])),
            ),
            "classify": (
                lambda: self._classifier().logits([(_IDX, np.array([2]))]),
                *told(([np.zeros((1, 3))], [_IDX, np.array([2])])),
            ),
            "classify_gradient": (
                lambda: self._classifier().gradient((_IDX, np.array([2])), np.zeros((1, 3))),
                *told((np.zeros((1, 3)), [_THETA.reshape(2, 3)])),
            ),
            "load_variables": (
                lambda: self._load_variables(self._model()),
                *told({"refused": None, **dict.fromkeys(pretrained.KEPT, True)}),
            ),
            "spoil_variables": (
                lambda: pretrained.spoil(self._live(), "MLP", self._loaded()),
                *told({"values": {"a": _X}, "recording": []}),
            ),
            "layers": (
                lambda: lora.layers(self._live(), "MLP", self._held()),
                *told({"a.b": [3, 4]}),
            ),
            "replay": (lambda: self._live().replay("1"), *told(("", ""))),
            "probe": (
                lambda: isolation.measure(cast(Server, self._server)),
                {"works": False, "mechanisms": ["landlock"]},
                [],
            ),
        }

    def _subject(self) -> LoadedSubmission:
        return LoadedSubmission(self._submission, cast(Server, self._server), ("MLP",), 1.0)

    def _live(self) -> LoadedSubmission:
        """With a worker that has loaded, and gives its one answer to the next question."""
        return self._live_of("MLP")

    def _live_of(self, *names: str) -> LoadedSubmission:
        subject = self._subject()
        subject._worker = Worker(cast(Server, self._server))
        subject._found = dict.fromkeys(names, "()")
        self._worker, self._latest = subject._worker, subject
        return subject

    def _held(self) -> RemoteRef:
        return RemoteRef("held:1", self._worker)

    def _model(self, kind: type[Module] = Module) -> Module:
        subject = self._live()
        number, ask = subject._asker(self._worker, "MLP", "MLP()")
        return kind("MLP", ask, self._worker, _described(), "float64", number)

    def _cached(self) -> cached.CachedModel:
        return cast(cached.CachedModel, self._model(cached.CachedModel))

    def _classifier(self) -> classification.Classifier:
        model = self._model()
        return classification.Classifier(self._latest, model, 3)

    def _student(self) -> training.RemoteToyModel:
        student = object.__new__(training.RemoteToyModel)
        student._subject, student._asker = self._live(), "MLP"
        student.itself = self._held()
        return student

    def _load_variables(self, model: Module) -> pretrained.Loading:
        return pretrained.load(self._latest, "MLP", model, self._held())

    def _loaded(self) -> pretrained.Loading:
        return pretrained.Loading(None, True, True, True, True, self._held())


@pytest.fixture(scope="module", name="frames")
def _frames() -> Callable[[int], dict[str, int]]:
    def send(count: int) -> dict[str, int]:
        """How often each question's answer was taken for one, of so many frames."""
        server = OneAnswer()
        sender, asker = Sender(7), Asker(server)
        taken = dict.fromkeys(asker.questions, 0)
        names = list(asker.questions)
        for number in range(count):
            ask, valid, values = asker.questions[names[number % len(names)]]
            server.frame = sender.frame(valid, values)
            try:
                ask()
            except (CandidateError, WorkerLost):
                continue
            except Exception:
                pytest.fail(f"{names[number % len(names)]} breaks on {server.frame!r}")
            taken[names[number % len(names)]] += 1
        return taken

    return send


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.whole_bank)])
def test_no_frame_breaks_a_decoder(frames: Callable[[int], dict[str, int]], count: int) -> None:
    frames(500)  # what is made once
    before = _resident()
    taken = frames(count)
    assert _resident() - before < _MEGABYTES
    assert all(taken.values()), taken  # the readers were read to their ends, too


def _resident() -> float:
    """Megabytes of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
