"""Whatever a worker sends, the parent blames the submission: no decoder breaks, none grows."""

from __future__ import annotations

import json
import os
import random
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from grader.catalogue import EXERCISES
from grader.exercises.classification import client as classification
from grader.exercises.kv_cache import client as cached
from grader.exercises.pretrained import client as pretrained
from grader.exercises.training import client as training
from grader.sandbox import wire
from grader.sandbox.client import LoadedSubmission, Module, Server, isolation, many, ways
from grader.sandbox.client.exchange import RemoteRef
from grader.sandbox.client.faults import CandidateError, WorkerLost
from grader.sandbox.client.function import call
from grader.sandbox.client.worker import Worker, pack
from tests.bank import ROOT

FEW, MANY = 6_000, 200_000  # frames
_MEGABYTES = 64  # that memory may grow meanwhile

_DTYPES = tuple(wire.ITEM_SIZES)
_SHAPES = ([], [1], [2], [3], [5], [2, 3], [3, 2], [0], [0, 3], [1, 2, 3], [2, 3, 4], [1] * 8, [6])
_ODD_SHAPES = ([1 << 26, 0], [0, 1 << 26, 1 << 26], [1 << 26, 1 << 26, 1 << 26, 0], [-1], [True])
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3, 2**31, 2**63, 2**64, 10**400, 0.5, 1e308, -0.0),
    *("", "x", "0x1p99999", "nan", "inf", "0x1p-1", "error", "list", "\ud800", "a|b+c", "é" * 400),
    *([], {}, [[]], {"": 0}, [None] * 3, [0, 1], ["list", 0], [["a", True]]),
)
_KINDS = ("value", "float", "tensor", "text", "bytes", "ints", "dict", "object", "list", "tuple")
_KEYS = (
    *(
        "value",
        "values",
        "seconds",
        "after",
        "recorded",
        "train_mode_unchanged",
        "flags_kept",
        "gradients",
    ),
    *(
        "rng_unchanged",
        "recording_kept",
        "device_mismatches",
        "classes",
        "failed",
        "functions",
        "present",
    ),
    *("work", "calls", "train", "learning", "kind", "gradient", "kept", "ways", "outside", "born"),
    *("called", "longest", "counts", "trained", "refused", "dtypes_kept", "recording", "names"),
    *("ties_kept", "printed", "raised", "works", "mechanisms", "unsendable", "error", "attempt"),
    *("late", "place", "missing", "aside", "facts"),
)


class Sender:
    """Makes frames: mostly well formed, of odd things in odd places."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def anything(self, depth: int = 0) -> Any:
        """Some JSON."""
        roll = self._chance.random()
        if roll < 0.35 or depth > 3:
            return self._chance.choice(_ODD)
        if roll < 0.6:
            return self.item(depth)
        if roll < 0.8:
            return [self.anything(depth + 1) for _ in range(self._chance.randrange(5))]
        return {self._chance.choice(_KEYS): self.anything(depth + 1) for _ in range(2)}

    def item(self, depth: int) -> dict[str, Any]:
        """What stands for a value, or nearly so."""
        index: Any = self._chance.choice((0, 0, 1, 2, 7, -1, "0", None))
        kind = self._chance.choice(_KINDS)
        insides: dict[str, Any] = {
            "ints": [self._chance.choice(("list", "tuple", "set", 0)), index],
            "float": self._chance.choice(("0x1p0", "0x1p99999", "nan", 1, None)),
            "list": [self.anything(depth + 1) for _ in range(3)],
            "tuple": [self.item(depth + 1) for _ in range(3) if depth < 3],
            "dict": [[self.item(depth + 1), self.item(depth + 1)] for _ in range(2) if depth < 3],
        }
        return {kind: insides.get(kind, index)}

    def header(self) -> Any:
        """Of an answer."""
        if self._chance.random() < 0.02:
            return self.anything()
        keys = self._chance.sample(_KEYS, self._chance.randrange(12))
        # What only reports a fault ends each reading at once: seldom.
        faults = ("unsendable", "error", "attempt", "late")
        seldom = self._chance.random() < 0.1
        return {key: self.anything() for key in keys if seldom or key not in faults}

    def arrays(self) -> tuple[list[Any], bytes]:
        """A listing of arrays, and their bytes."""
        listing, payload = [], b""
        for _ in range(self._chance.randrange(7)):
            dtype = self._chance.choice(_DTYPES)
            odd = self._chance.random() < 0.03
            shape = list(self._chance.choice(_ODD_SHAPES if odd else _SHAPES))
            listing.append([dtype, shape])
            size = 0 if odd else int(np.prod(shape, dtype=int)) * wire.ITEM_SIZES[dtype]
            payload += self._chance.randbytes(size)
        return listing, payload

    def frame(self, valid: dict[str, Any], values: list[np.ndarray]) -> bytes:
        """A right answer with something else in some place, or one that never was right."""
        header, (listing, payload) = self.header(), self.arrays()
        if valid and isinstance(header, dict) and self._chance.random() < 0.6:
            header = {**header, **valid}
            if self._chance.random() < 0.6:
                header[self._chance.choice(list(valid))] = self.anything()
        if self._chance.random() < 0.5:
            right = [pack(value) for value in values]
            if right and self._chance.random() < 0.5:
                right.pop(self._chance.randrange(len(right)))
            listing = [[array.dtype, list(array.shape)] for array in right]
            payload = b"".join(array.data for array in right)
        if isinstance(header, dict) and self._chance.random() < 0.99:
            header = {**header, "arrays": listing}
        text = json.dumps(header).encode()
        if self._chance.random() < 0.01:
            text = text[: len(text) // 2]
        return struct.pack("<II", len(text), len(payload)) + text + payload


class OneAnswer:
    """A server of workers each of which gives one answer, whatever it is asked."""

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

    def end(self, pid: int, dying: bool = False) -> int:
        """It has ended."""
        return 0

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
                {"work": [[1, 0.5, 1]]},
                [logits],
            ),
            "run": (lambda: call(self._live(), "MLP", {"x": _X}), value, []),
            "each": (
                lambda: many.each(self._live(), None, "MLP", [1]),
                {"values": [{"ints": ["list", 0]}], "seconds": [0.5]},
                [np.arange(3)],
            ),
            "attribute": (
                lambda: many.attribute(self._live(), self._held(), "a"),
                {"values": [{"text": 0}], "seconds": [0.0]},
                [np.arange(3, dtype=np.uint8)],
            ),
            "trainee_state": (
                lambda: self._student().state(),
                {
                    "present": [False] * 5,
                    "calls": [[1, True, True, 0]],
                    "learning": [],
                    "same": True,
                },
                [_THETA] * 6,
            ),
            "optimizer_steps": (
                lambda: training.steps(
                    self._live(), "MLP", self._held(), self._held(), [[_X]], [0.1]
                ),
                {"kind": None},
                [_X],
            ),
            "batches": (
                lambda: training.batches(self._live_of("get_batch"), np.arange(9), 1, 2),
                {"value": {"list": [{"tuple": [{"tensor": 0}, {"tensor": 1}]}]}},
                [_IDX, _IDX, np.arange(9)],
            ),
            "differentiate": (
                lambda: training.differentiate(self._live(), "MLP", logits, _IDX, {}),
                {"value": {"tensor": 0}, "gradient": True, "kept": True},
                [np.zeros(()), logits],
            ),
            "call_each": (
                lambda: training.call_each(self._live(), "MLP", [{"a": 1.0}]),
                {"value": {"list": [{"float": "0x1p0"}]}},
                [],
            ),
            "training_run": (
                lambda: training.run(self._live_of("train_step"), self._held(), np.arange(9), 1),
                {"value": {"list": [{"float": "0x1p0"}]}},
                [],
            ),
            "read": (
                lambda: classification.read(self._model()),
                {"trained": [True]},
                [_THETA.reshape(2, 3)],
            ),
            "classify": (
                lambda: self._classifier().logits([(_IDX, np.array([2]))]),
                none,
                [np.zeros((1, 3)), _IDX, np.array([2])],
            ),
            "classify_gradient": (
                lambda: self._classifier().gradient((_IDX, np.array([2])), np.zeros((1, 3))),
                {"present": [True]},
                [np.zeros((1, 3)), _THETA.reshape(2, 3)],
            ),
            "load_variables": (
                lambda: self._load_variables(self._model()),
                {"refused": None},
                [],
            ),
            "spoil_variables": (
                lambda: pretrained.spoil(self._live(), "MLP", self._loaded()),
                {"names": ["a"], "recording": []},
                [_X],
            ),
            "replay": (lambda: self._live().replay("1"), {"printed": "", "raised": ""}, []),
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

    def _live_of(self, name: str) -> LoadedSubmission:
        subject = self._subject()
        subject._worker = Worker(cast(Server, self._server))
        subject._found = {name: "()"}
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
        return pretrained.load(self._latest, "MLP", model, {"a": _X})

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
