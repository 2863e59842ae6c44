"""A model that goes on from caches, as the checks ask it: piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from grader.sandbox.client.decoding import decoding
from grader.sandbox.client.exchange import arrays
from grader.sandbox.client.faults import CandidateError
from grader.sandbox.client.function import call
from grader.sandbox.client.module import Floats, Module
from grader.sandbox.client.subject import LoadedSubmission
from grader.sandbox.client.worker import Values

_Given = TypeVar("_Given")


@dataclass(frozen=True)
class Piece:
    """New tokens (B, T), and the labels of the cache that they go on from and of the one that they
    leave; None for none.
    """

    idx: Values
    source: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class Work:
    """What a piece took, on the worker's own testimony."""

    multiplications: int
    seconds: float
    calls: int  # of torch


class CachedModel(Module):
    """A cached model in a worker. As a `Module` it gives the logits of whole texts."""

    def outputs(self, *args: Any, **options: Any) -> list[Values]:
        """As of any module."""
        return _told(lambda: super(CachedModel, self).outputs(*args, **options))

    def sweep(self, *args: Any, **options: Any) -> Floats:
        """As of any module."""
        return _told(lambda: super(CachedModel, self).sweep(*args, **options))

    def steps(
        self,
        pieces: Sequence[Piece],
        theta: Floats | None = None,
        *,
        train: bool = False,
        seed: int = 0,
        named: bool = False,
    ) -> list[Values]:
        """The logits of each piece in turn, checked to be finite and of the expected shape.

        theta: values for all parameters; None leaves them as they were set last; named: give the
        cache by name.
        """
        return self._steps(pieces, theta, train, seed, named=named)[0]

    def counted(
        self, pieces: Sequence[Piece], theta: Floats | None = None
    ) -> tuple[list[Values], list[Work]]:
        """The same, and the work of each piece."""
        return self._steps(pieces, theta, count=True)

    def _steps(
        self,
        pieces: Sequence[Piece],
        theta: Floats | None,
        train: bool = False,
        seed: int = 0,
        count: bool = False,
        named: bool = False,
    ) -> tuple[list[Values], list[Work]]:
        given = [(piece.idx, piece.source, piece.target) for piece in pieces]
        told = _told(lambda: self.help("kv_cache.steps", given, theta, train, seed, count, named))
        with decoding(self.broken, "the work of each step"):
            outputs, spent = told
            values = arrays(outputs, len(pieces))
            work = [Work(int(n), float(took), int(calls)) for n, took, calls in spent]
            if len(work) != len(pieces):
                raise ValueError("not the work of each piece")
        for output, piece in zip(values, pieces, strict=True):
            self._expect_logits(output, piece.idx)
        self._expect_sensible(values)
        return values, work

    def _expect_logits(self, output: Values, idx: Values) -> None:
        """Raise CandidateError unless these are the logits of these tokens."""
        if output.ndim == 3 and len(output) == len(idx) and output.shape[1] != idx.shape[1]:
            cause = "logits-of-the-past-too" if output.shape[1] > idx.shape[1] else ""
            raise CandidateError(
                "fail",
                f"expected logits of the {idx.shape[1]} new tokens, found shape {output.shape}",
                cause="logits-only-last-position" if output.shape[1] == 1 else cause,
            )
        self.expect_shape(output, idx)


def build(
    subject: LoadedSubmission,
    name: str,
    given: dict[str, float],
    *,
    args: Sequence[float] = (),
    seed: int = 0,
    dtype: str = "float64",
    convert: bool = False,
    weighed: Values | None = None,
) -> CachedModel:
    """A cached model of the submission. convert: made in the other dtype, then converted;
    weighed: as of `LoadedSubmission.build`.
    """
    born = {"float64": "float32", "float32": "float64"}[dtype] if convert else dtype
    made = call(subject, name, given, seed, args=args, keep=True, dtype=born)
    assert made.held is not None
    if convert:
        call(subject, {"float64": "double", "float32": "float"}[dtype], {}, on=made.held)
    alone = subject.keep(name, "kv_cache.alone", made.held)
    return subject.adopt_as(CachedModel, alone, name, dtype, weighed)


def _told(ask: Callable[[], _Given]) -> _Given:
    """What is asked for; a forward that does not give two things is told as such."""
    try:
        return ask()
    except CandidateError as fault:
        _, found, words = fault.message.partition("it raised NotAPair: ")
        if found:
            nothing = words.endswith("found None")
            cause = "not-implemented" if nothing else "cache-not-returned"
            raise CandidateError("fail", words, cause=cause) from None
        raise
