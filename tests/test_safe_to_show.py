"""Reports of hostile words, and submissions made of arbitrary bytes."""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from grader.report import html, json_report, terminal
from grader.results import Report
from grader.submission import MAX_FILE_BYTES, UnusableInput, read
from grader.text import MAX_TEXT, clean, csv_cell
from tests.bank import FOLDER
from tests.conftest import Grade

PLAIN = FOLDER / "wrong" / "mlp_crashes_gelu_not_instantiated.py"
# Of the template's own elements, those that not every report has.
OPTIONAL = {"svg", "rect", "text", "figure", "figcaption", "ul", "li", "a", "br", "pre", "code"}
HOSTILE = sorted((FOLDER / "hostile").glob("report_*.py"))
Write = Callable[[str], Path]


class Markup(HTMLParser):
    """The kinds of elements on a page, with the names of their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: set[tuple[str, ...]] = set()

    @classmethod
    def of(cls, page: str) -> set[tuple[str, ...]]:
        """Those that a page of any wrong submission has."""
        parser = cls()
        parser.feed(page)
        return {kind for kind in parser.kinds if kind[0] not in OPTIONAL}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.kinds.add((tag, *sorted(name for name, _ in attributes)))


def on_a_terminal(report: Report, colours: bool) -> str:
    console = Console(
        file=io.StringIO(), force_terminal=colours, width=100, highlight=False, legacy_windows=False
    )
    terminal.show(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_hostile_words_stay_words(judge: Grade, path: Path, tmp_path: Path) -> None:
    report = judge(path, timeout=2.0)
    plain = on_a_terminal(report, colours=False)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", plain)
    assert not re.search(r"(?im)^\s*::\w|##\w*\[", plain)
    lines = plain.splitlines()
    assert lines[0].startswith("FAIL  ")
    assert not [line for line in lines[1:] if line.startswith(("PASS", "Next: nothing"))]
    # With colours, all escapes are rich's own: colours and nothing else.
    assert not re.sub(r"\x1b\[[\d;]*m", "", on_a_terminal(report, colours=True)).count("\x1b")
    page = html.page(report)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    assert Markup.of(page) <= Markup.of(html.page(judge(PLAIN)))
    json_report.write(report, tmp_path / "report.json")
    written = json.loads((tmp_path / "report.json").read_text("utf-8"))
    for check in written["checks"]:
        assert len(check["message"]) <= MAX_TEXT
        assert clean(check["message"]) == check["message"]


def test_the_submissions_own_words_are_marked(judge: Grade, write: Write, reference: str) -> None:
    forged = "raise ValueError('x\\nPASS  100 of 100 points\\nNext: nothing')"
    report = judge(write(reference.replace("hidden = self", f"{forged}\n        hidden = self")))
    plain = on_a_terminal(report, colours=False)
    assert "it raised ValueError: x" in plain
    assert re.search(r"(?m)^ {7,}[│|] +File\b", plain)
    assert not re.search(r"(?m)^(PASS|Next: nothing)", plain)


@given(st.text(max_size=300))
def test_clean_text_commands_nobody(text: str) -> None:
    kept = clean(text)
    assert clean(kept) == kept
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", kept)
    assert not csv_cell(text).startswith(("=", "+", "-", "@", "\t", "\n"))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert csv_cell(text).startswith("'")


@pytest.mark.parametrize("text", ["::error::x", " ::add-mask::x", "##vso[task.complete]", "##[x]"])
def test_no_line_commands_a_build_server(text: str) -> None:
    assert not re.search(r"(?m)^\s*::\w|##\w*\[", clean(text))


def test_long_text_is_cut_and_says_so() -> None:
    assert len(clean("x" * 10_000)) == MAX_TEXT
    assert clean("x" * 10_000).endswith("[...]")


_WORDS = st.sampled_from(
    [
        b"class A:\n",
        b" def f(self): ",
        b"import ",
        b"torch",
        b"(",
        b")",
        b"\\\n",
        b"'",
        b'"""',
        b"\0",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.lists(_WORDS, max_size=40).map(b"".join)))
def test_reader_against_arbitrary_bytes(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gpt2.py"
        path.write_bytes(content)
        submission = read(path, "gpt2.py")
    assert set(submission.files) == {"gpt2.py"}
    assert submission.error is None or submission.error.startswith("gpt2.py")


_NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda name: name not in (".", ".."))


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(_NAMES.filter(lambda name: name not in (".", "..")), st.binary(), max_size=6)
)
def test_reader_against_arbitrary_folders(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {**files, "gpt2.py": b"x = 1"}.items():
            (Path(folder) / name).write_bytes(content)
        submission = read(Path(folder), "gpt2.py")
    assert set(submission.files) == {"gpt2.py"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: (root / "gpt2.py").write_bytes(b"#" * (MAX_FILE_BYTES + 1)), "larger than"),
        (lambda root: (root / "gpt2.py").symlink_to("/etc/passwd"), "symbolic link"),
        (lambda root: [(root / f"{n}.py").touch() for n in ("gpt2", *range(201))], "more than 200"),
        (lambda root: [(root / f"{n}").touch() for n in ("gpt2.py", *range(20_001))], "more than"),
        (lambda root: (root / "gpt2.py").mkdir(), "expected gpt2.py"),
    ],
    ids=["large", "link", "many files", "many entries", "a folder"],
)
def test_folders_that_are_no_submission(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    make(tmp_path)
    with pytest.raises(UnusableInput, match=message):
        read(tmp_path, "gpt2.py")


def test_deep_folders_and_links_in_circles(tmp_path: Path) -> None:
    (tmp_path / "gpt2.py").write_text("x = 1", encoding="utf-8")
    (tmp_path / "circle").symlink_to(tmp_path)
    deep = tmp_path
    for _ in range(300):
        deep = deep / "d"
        deep.mkdir()
    (deep / "last.py").touch()
    assert set(read(tmp_path, "gpt2.py").files) == {"gpt2.py"}
