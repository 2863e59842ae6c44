"""TensorFlow's checkpoints are read bit for bit, and damaged ones are errors."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lab import bundle
from lab.bundle import CheckpointError, read_checkpoint
from lab.crc32c import crc32c
from tests.bank import ROOT

FIXTURE = ROOT / "tests" / "data" / "openai_tiny"
INDEX, DATA = "model.ckpt.index", "model.ckpt.data-00000-of-00001"


@pytest.fixture(name="copy")
def _copy(tmp_path: Path) -> Path:
    """A copy of the fixture, to be damaged."""
    return Path(shutil.copytree(FIXTURE, tmp_path / "checkpoint"))


def test_it_is_what_tensorflow_reads() -> None:
    found = read_checkpoint(FIXTURE)
    with np.load(FIXTURE / "expected.npz") as expected:
        assert set(found) == set(expected.files)
        for name, values in found.items():
            assert values.dtype == expected[name].dtype == np.float32
            assert values.shape == expected[name].shape
            assert values.tobytes() == expected[name].tobytes()


def read_all(folder: Path) -> None:
    for _ in read_checkpoint(folder).values():
        pass


@pytest.mark.parametrize("file", [INDEX, DATA])
def test_an_altered_byte_is_an_error(copy: Path, file: str) -> None:
    whole = (copy / file).read_bytes()
    rng = np.random.default_rng(0)
    for place in (*range(0, len(whole), len(whole) // 50), *range(len(whole) - 48, len(whole), 3)):
        altered = bytearray(whole)
        altered[place] ^= int(rng.integers(1, 256))
        (copy / file).write_bytes(altered)
        with pytest.raises(CheckpointError):
            read_all(copy)


@pytest.mark.parametrize("file", [INDEX, DATA])
def test_what_is_cut_off_or_goes_on_is_an_error(copy: Path, file: str) -> None:
    whole = (copy / file).read_bytes()
    for size in (0, 1, 40, 48, 100, len(whole) // 2, len(whole) - 1):
        (copy / file).write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match=file):
            read_all(copy)
    (copy / file).write_bytes(whole + b"\0")
    with pytest.raises(CheckpointError, match=file):
        read_all(copy)


@pytest.mark.parametrize("file", [INDEX, DATA, "checkpoint"])
def test_what_is_missing_is_an_error(copy: Path, file: str) -> None:
    (copy / file).unlink()
    with pytest.raises(CheckpointError, match=rf"{file}: expected .*, found none"):
        read_checkpoint(copy)


def test_the_file_that_names_it_names_it(copy: Path) -> None:
    (copy / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/model.ckpt"\n')
    assert len(read_checkpoint(copy)) == 136
    (copy / "checkpoint").write_text("something else")
    with pytest.raises(CheckpointError, match="model_checkpoint_path"):
        read_checkpoint(copy)


def test_a_tensor_is_damaged_by_its_name(copy: Path) -> None:
    altered = bytearray((copy / DATA).read_bytes())
    entry = read_checkpoint(copy).entries["model/h3/ln_1/g"]
    altered[entry.offset] ^= 1
    (copy / DATA).write_bytes(altered)
    found = read_checkpoint(copy)
    assert found["model/wte"].shape == (31, 8)
    with pytest.raises(CheckpointError, match="model/h3/ln_1/g is damaged: expected checksum"):
        found["model/h3/ln_1/g"]


def test_compressed_blocks_are_an_error(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "_verify", lambda *given: None)
    reader = bundle._Reader((copy / INDEX).read_bytes()[-48:], copy)
    offset, size = reader.varint(), reader.varint()
    altered = bytearray((copy / INDEX).read_bytes())
    altered[offset + size] = 1
    (copy / INDEX).write_bytes(altered)
    with pytest.raises(CheckpointError, match="not compressed, found compression 1"):
        read_checkpoint(copy)


def bit_by_bit(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc ^ 0xFFFFFFFF


def test_checksum_of_the_standard() -> None:
    assert crc32c(np.frombuffer(b"123456789", dtype=np.uint8)) == 0xE3069283


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 511, 512, 513, 5000, 70001])
def test_checksums_bit_by_bit(size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    assert crc32c(data) == bit_by_bit(data.tobytes())


def test_checksums_of_more_than_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(0).integers(0, 256, 10_000, dtype=np.uint8)
    monkeypatch.setattr("lab.crc32c._MOST", 4096)
    assert crc32c(data) == bit_by_bit(data.tobytes())
