"""Submissions in zip archives, and archives that are attacks."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.submission import MAX_FILE_BYTES, UnusableInput, read
from tests.conftest import Grade

Pack = Callable[..., Path]


@pytest.fixture(name="pack")
def _pack(tmp_path: Path) -> Pack:
    """An archive of names and texts."""

    def pack(files: dict[str, str]) -> Path:
        path = tmp_path / "alice.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return path

    return pack


@pytest.mark.parametrize(
    "files",
    [
        {"gpt2.py": "x = 1"},
        {"alice/gpt2.py": "x = 1", "alice/README.md": "hello", "__MACOSX/alice/._gpt2.py": "\0"},
        {"deep/down/here/gpt2.py": "x = 1", "gpt3.txt": ""},
        {"venv/lib/gpt2.py": "no", "gpt2.py": "x = 1"},
    ],
)
def test_the_exercise_is_found(pack: Pack, files: dict[str, str]) -> None:
    found = read(pack(files), "gpt2.py")
    assert found.main == "gpt2.py"
    assert found.files == {"gpt2.py": b"x = 1"}


def test_the_only_file_may_have_any_name(pack: Pack) -> None:
    assert read(pack({"my answer/model.py": "x = 1"}), "gpt2.py").main == "model.py"


def test_what_it_imports_comes_along(pack: Pack) -> None:
    text = "import block\nfrom parts.mlp import MLP"
    files = {"a/gpt2.py": text, "a/parts/mlp.py": "2", "a/block.py": "3", "a/other.py": "4"}
    found = read(pack(files), "gpt2.py").files
    assert set(found) == {"gpt2.py", "parts/mlp.py", "block.py"}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "found no Python file"),
        ({"a.py": "", "b.py": ""}, "expected gpt2.py in this archive, found a.py, b.py"),
        ({"a/gpt2.py": "x = 1", "b/gpt2.py": "x = 2"}, "expected one gpt2.py"),
        ({"../gpt2.py": ""}, "lies outside"),
        ({"a/../../gpt2.py": ""}, "lies outside"),
        ({"/etc/gpt2.py": ""}, "lies outside"),
        ({"..\\gpt2.py": ""}, "lies outside"),
        ({"C:/gpt2.py": ""}, "lies outside"),
        ({"gpt2.py": "x" * (MAX_FILE_BYTES + 1)}, "larger than"),
        ({f"{n}.py": "x" * 90_000 for n in range(12)}, "more than 200 Python files or 1,000,000"),
        ({f"{n}.py": "" for n in range(201)}, "more than 200 Python files"),
        ({f"{n}.txt": "" for n in range(20_001)}, "more than 20,000 files"),
    ],
)
def test_what_is_refused(pack: Pack, files: dict[str, str], words: str) -> None:
    with pytest.raises(UnusableInput, match=r"alice\.zip") as caught:
        read(pack(files), "gpt2.py")
    assert words in str(caught.value)


def test_links_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "alice.zip"
    link = zipfile.ZipInfo("gpt2.py")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UnusableInput, match="is a link"):
        read(path, "gpt2.py")


def test_a_bomb_goes_off_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "alice.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("gpt2.py", "w", force_zip64=True) as file,
    ):
        for _ in range(500):
            file.write(bytes(1_000_000))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(UnusableInput, match="larger than"):
        read(path, "gpt2.py")


@pytest.mark.parametrize("damage", ["text", "cut", "flipped"])
def test_what_is_no_archive(pack: Pack, damage: str) -> None:
    path = pack({"gpt2.py": "x = 1\n" * 1000})
    data = bytearray(path.read_bytes())
    if damage == "text":
        data = bytearray(b"not an archive")
    elif damage == "cut":
        data = data[:-30]
    else:
        data[45] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UnusableInput, match="not a zip archive that can be read"):
        read(path, "gpt2.py")


def test_a_name_that_is_no_text(pack: Pack) -> None:
    path = pack({"gpt2é.py": "x = 1"})
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xfe"))
    with pytest.raises(UnusableInput, match="not a zip archive that can be read"):
        read(path, "gpt2.py")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_rare_methods_are_refused(tmp_path: Path, method: int) -> None:
    path = tmp_path / "alice.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("gpt2.py", "x = 1")
    with pytest.raises(UnusableInput, match="packed in a rare way"):
        read(path, "gpt2.py")


def test_encrypted(pack: Pack) -> None:
    path = pack({"gpt2.py": "x = 1"})
    data = bytearray(path.read_bytes())
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        place = data.index(mark) + (6 if mark == b"PK\x03\x04" else 8)
        data[place] |= 1
    path.write_bytes(data)
    with pytest.raises(UnusableInput, match="encrypted"):
        read(path, "gpt2.py")


def test_an_archive_is_graded(pack: Pack, judge: Grade, reference: str) -> None:
    report = judge(pack({"alice/gpt2.py": reference}))
    assert report.verdict == "pass"
    assert report.path.endswith("alice.zip")
