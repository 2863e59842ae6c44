"""The parent's frame reader trusts no byte."""

from __future__ import annotations

import json
import socket
import struct
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.sandbox import wire
from grader.sandbox.client.worker import pack, unpack


def read(data: bytes, seconds: float = 1.0) -> wire.Message:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        return wire.receive(ours, wire.Deadline(seconds))


def frame(header: object, payload: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<II", len(text), len(payload)) + text + payload


def test_round_trip() -> None:
    arrays = [np.arange(6.0).reshape(2, 3), np.array([True]), np.zeros((0, 4), dtype=np.int64)]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire.send(theirs, wire.Message({"a": [1, "ü"]}, tuple(pack(a) for a in arrays)))
        message = wire.receive(ours, wire.Deadline(1))
    assert message.header == {"a": [1, "ü"]}
    for sent, array in zip(arrays, message.arrays, strict=True):
        np.testing.assert_array_equal(unpack(array), sent)
        assert unpack(array).dtype == sent.dtype


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_only_what_is_documented(data: bytes) -> None:
    with pytest.raises((wire.WireError, wire.ClosedError)):
        read(data)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
)


@given(_json, _json, st.binary(max_size=40))
def test_arbitrary_headers(header: object, arrays: object, payload: bytes) -> None:
    whole = {**header, "arrays": arrays} if isinstance(header, dict) else header
    try:
        message = read(frame(whole, payload))
    except wire.WireError:
        return
    assert sum(len(array.data) for array in message.arrays) == len(payload)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<II", 2**32 - 1, 0),
        struct.pack("<II", 2, 2**32 - 1) + b"{}",
        frame([]),
        frame({}),
        frame(b"{" * 1000),
        frame(b"[" * 100_000),
        frame(b'{"arrays": [], "x": NaN}'),
        frame(b'{"arrays": [], "x": ' + b"9" * 6000 + b"}"),
        frame({"arrays": [["object", [1]]]}, b"12345678"),
        frame({"arrays": [["float64", [-1]]]}),
        frame({"arrays": [["float64", [True]]]}, b"12345678"),
        frame({"arrays": [["float64", [2**40, 2**40]]]}),
        frame({"arrays": [["float64", [2]]]}, b"12345678"),
        frame({"arrays": [["float64", []]]}, b"1234567890123456"),
        frame({"arrays": [["float64", [1] * 9]]}, b"12345678"),
    ],
)
def test_dishonest_frames(data: bytes) -> None:
    with pytest.raises(wire.WireError):
        read(data)


def test_deadline_holds_against_a_trickle() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(frame({"arrays": []})[:-1])
        started = time.monotonic()
        with pytest.raises(wire.DeadlineError):
            wire.receive(ours, wire.Deadline(0.2))
    assert time.monotonic() - started < 2


def test_sending_to_one_who_does_not_read() -> None:
    ours, theirs = socket.socketpair()
    big = wire.Message({}, (pack(np.zeros(2**22)),))
    with ours, theirs, pytest.raises(wire.DeadlineError):
        wire.send(ours, big, wire.Deadline(0.2))
