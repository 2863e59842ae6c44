"""One conversation with one worker: a deadline on every answer, and no trust in any."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.errors import GraderFault
from grader.sandbox import wire
from grader.sandbox.client import loops
from grader.sandbox.client.budget import Budget
from grader.sandbox.client.faults import CandidateError, Fault, WorkerLost
from grader.sandbox.client.printed import Printed
from grader.sandbox.server.start import Server
from grader.vocabulary import Status

Values = NDArray[Any]
_NUMPY_DTYPES = {"float64": "<f8", "float32": "<f4", "int64": "<i8", "bool": "?", "uint8": "u1"}
_NAMES = {np.dtype(code): name for name, code in _NUMPY_DTYPES.items()}


def pack(values: Values) -> wire.Array:
    """A NumPy array as it goes over the wire."""
    array = np.ascontiguousarray(values)
    name = _NAMES[array.dtype.newbyteorder("<")]
    return wire.Array(name, array.shape, array.astype(_NUMPY_DTYPES[name], copy=False).tobytes())


def unpack(array: wire.Array) -> Values:
    """A read-only NumPy view of an array that came over the wire."""
    return np.frombuffer(array.data, dtype=_NUMPY_DTYPES[array.dtype]).reshape(array.shape)


GRADERS_OWN = "the grader's own code"  # begins what is told of a slip in the worker's
_PATIENCE = 5.0
_IDLE = 0.2  # of the time allowed
_MOST_NUMBERS = 1 << 25  # in the models of one worker
_TELLING_SECONDS = 0.5  # for a worker to tell where it is
_REST_SECONDS = 0.05  # for more of that
_MOST_TOLD = 1 << 16  # bytes of that
_SLICE = 0.25  # seconds
_SLICE_WORK = 0.002  # seconds of processor time: more than a process that sleeps uses
# What a worker's death by a signal means where it is not a crash.
_DEATHS: dict[str, tuple[Status, str]] = {
    "SIGXCPU": ("timeout", "the submission used up its processor time"),
    "SIGSYS": ("violation", "the submission made a system call that no submission may make"),
}
# Python's words for a call that does not fit a signature.
_ARGUMENTS = re.compile(r"__init__\(\)|forward\(\) (missing|takes|got)")


class CpuAwareDeadline(wire.Deadline):
    """A deadline for a worker that a busy machine keeps from working.

    When its seconds are over and it has not used as much of its processor, it goes on as long as
    it does work, up to _PATIENCE times as long, and never beyond the budget of the whole. Now and
    then a machine gives it nothing: so long may it seem to do nothing.
    """

    def __init__(self, seconds: float, worker: Worker, used_before: float, allowed: float) -> None:
        super().__init__(min(seconds, worker.budget.left))
        self._worker = worker
        self._used_up = used_before + allowed
        self._last = used_before
        self._slices = round((_PATIENCE - 1) * allowed / _SLICE)
        self._idle = round(_IDLE * allowed / _SLICE)  # of these

    def more(self) -> float:
        """One more slice, if in the one before some work was done."""
        used = self._worker.processor_seconds()
        working = used > self._last + _SLICE_WORK
        self._last = used
        self._slices -= 1
        self._idle -= not working
        if self._idle < 0 or used >= self._used_up or self._slices < 0:
            return 0.0
        return min(_SLICE, self._worker.budget.left)


class Worker:
    """A worker that has loaded a submission. After a WorkerLost it is no longer `alive`.

    folder, files: where the submission is said to be, and its texts; printed: what it has printed,
    as it came; budget: of the submission, for all its workers.
    """

    def __init__(self, server: Server, budget: Budget | None = None) -> None:
        self._server = server
        self.budget = budget or Budget()
        self._account = self.budget.account()
        self.folder = ""
        self.files: Mapping[str, bytes] = {}
        self.printed = Printed()
        if not self.budget.left:
            raise self.budget.end()
        started = time.monotonic()
        self._handle, self._connection = server.fork()
        if server.SLOW:
            self.budget.give(time.monotonic() - started)
        self.alive = True
        self._numbers = 0  # in all models that it has described

    def ask(
        self,
        question: str,
        arrays: Sequence[Values] = (),
        *,
        deadline: wire.Deadline,
        **header: Any,
    ) -> tuple[dict[str, Any], list[Values]]:
        """Ask a question. Raises CandidateError, or WorkerLost after ending the worker."""
        if not self.budget.left:
            self.close()
            raise self.budget.end()
        started = time.monotonic()
        message = wire.Message({"ask": question, **header}, tuple(pack(array) for array in arrays))
        try:
            wire.send(self._connection, message, deadline)
            answer = wire.receive(self._connection, deadline)
        except wire.DeadlineError:
            self.processor_seconds()
            if not self.budget.left:
                self.close()
                raise self.budget.end() from None
            waited = time.monotonic() - started
            told = self._where()
            raise self._lost("timeout", f"no answer within {waited:.1f} seconds", told) from None
        except wire.ClosedError:
            raise self._died() from None
        except wire.WireError as error:
            raise self._lost("protocol", f"the worker's answer made no sense: {error}") from None
        self.printed.add(answer.header.pop("aside", None))
        try:
            self.raise_reported(answer.header)
        except (CandidateError, WorkerLost) as fault:
            _add_testimony(fault, answer.header)
            raise
        return answer.header, [unpack(array) for array in answer.arrays]

    def processor_seconds(self) -> float:
        """What it has used of its processor; 0 where that is not known."""
        used = self._server.processor_seconds(self._handle) if self.alive else 0.0
        self.budget.used(self._account, used)
        return used

    def close(self, dying: bool = False) -> int | None:
        """End the worker; its exit code, or None if it is `dying` and yet has to be killed."""
        if not self.alive:
            return 0
        self.alive = False
        self._connection.close()
        code, used = self._server.end(self._handle, dying)
        self.budget.used(self._account, used)
        return code

    def expect_bearable(self, numbers: int, name: str) -> None:
        """Raise CandidateError once the models of this worker have more numbers than the grader
        has room for, which takes eight bytes for each.
        """
        self._numbers += numbers
        if self._numbers > _MOST_NUMBERS:
            words = f"{name} has {numbers:,} numbers in its parameters"
            raise CandidateError("memory", f"{words}, and the grader has no room for more of it")

    def broken(self, what: str) -> WorkerLost:
        """End a worker whose answer does not fit its question."""
        return self._lost("protocol", f"the worker's answer does not fit the question: {what}")

    def _lost(self, status: Status, message: str, traceback: str = "") -> WorkerLost:
        self.close()
        return WorkerLost(status, message, traceback)

    def _where(self) -> str:
        """The frames in which the worker is, if it tells; nothing else is read from it after."""
        told = b""
        with contextlib.suppress(GraderFault, OSError):
            self._server.ask_where(self._handle)
            self._connection.settimeout(_TELLING_SECONDS)
            while len(told) < _MOST_TOLD and (part := self._connection.recv(_MOST_TOLD)):
                told += part
                self._connection.settimeout(_REST_SECONDS)
        return loops.traceback(loops.frames(told), self.folder, self.files)

    def _died(self) -> WorkerLost:
        code = self.close(dying=True)
        if code is None:
            return WorkerLost("protocol", "the submission closed the connection to the grader")
        if code >= 0:
            return WorkerLost("error", f"the submission ended its process with exit code {code}")
        name = str(-code)
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
        status, message = _DEATHS.get(
            name, ("error", f"the process running the submission was ended by {name}")
        )
        return WorkerLost(status, message)

    def raise_reported(self, header: dict[str, Any]) -> None:
        """Raise what an answer says went wrong, if it says so."""
        if "attempt" in header:
            tried = _text(header["attempt"], 200)
            raise self._lost(
                "violation",
                f"the submission {tried}, which none may. What a script does belongs below "
                "`if __name__ == '__main__':`",
            )
        if "late" in header:
            raise self._lost("timeout", "it was still running when its time was over")
        found = header.get("unsendable")
        if found is not None:
            text = _text(found.get("found") if isinstance(found, dict) else None, 300)
            if isinstance(found, dict) and "dtype" in found:
                words = f"expected a tensor of the input's dtype, found {text}"
                raise CandidateError("fail", words, cause="wrong-dtype")
            too_much = text[:1].isdigit() or text.startswith("more than")
            cause = "" if too_much else "returns-tuple"
            cause = "not-implemented" if text == "None" else cause
            raise CandidateError("fail", f"expected a plain tensor, found {text}", cause=cause)
        error = header.get("error")
        if error is None:
            return
        if not isinstance(error, dict):
            raise self.broken("an error that says nothing")
        kind, name = _text(error.get("kind"), 20), _text(error.get("type"), 200)
        # One line, lest its others look like the report's own.
        message = " ".join(_text(error.get("message"), 4000).split())
        traceback = _text(error.get("traceback"), 4000)
        if kind == "todo":
            raise CandidateError("todo", "not written yet", traceback, "not-implemented")
        if kind == "memory":
            raise CandidateError("memory", f"out of memory: {message}", traceback)
        if kind == "grader":  # a claim that excuses nothing: whoever runs there could make it
            raise CandidateError(
                "error",
                f"{GRADERS_OWN} failed on this with {name}: {message}. If nothing is wrong with "
                "the file, please report that",
                cause="",
            )
        cause = "wrong-signature" if _ARGUMENTS.search(message) and not traceback else "crashes"
        raised = f"it raised {name}: {message}" if message else f"it raised {name}"
        close = _text(error.get("close"), 100) if error.get("close") else ""
        if close and "did you mean" not in raised.lower():
            raised = f"{raised.rstrip('.')}. Did you mean {close!r}?"
        raise CandidateError("error", raised, traceback, cause)


def _add_testimony(fault: Fault, header: dict[str, Any]) -> None:
    """What else the worker says of an import that stopped."""
    error, place, missing = (header.get(key) for key in ("error", "place", "missing"))
    if isinstance(error, dict):
        fault.kind = _text(error.get("type"), 200)
    if isinstance(place, list) and len(place) == 2:
        file, line = place
        if isinstance(file, str) and type(line) is int:
            fault.place = file, line
    if isinstance(missing, str):
        fault.missing = missing[:200].split(".")[0]


def _text(value: object, limit: int) -> str:
    return value[:limit] if isinstance(value, str) else "something unnamed"
