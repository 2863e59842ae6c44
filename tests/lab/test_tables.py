"""Tables as people have them: other delimiters, encodings, headers, and long fields."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.data.labelled import Labelled, read_labelled
from lab.errors import LabError
from tests.lab.test_classifier import QUICK, WORDS, news

Inside = Callable[..., tuple[int, str]]
HEADER, ROWS = (
    ["kind", "title", "body"],
    [("fruit", "a pear", "ripe, soft"), ("tools", "a saw", "")],
)


def table(delimiter: str = ",", rows: int = 20) -> str:
    def line(cells: list[str]) -> str:
        return delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in cells)

    return "\n".join([line(HEADER), *(line([*ROWS[i % 2]]) for i in range(rows))]) + "\n"


def read(path: Path, *columns: str) -> Labelled:
    return read_labelled(path, columns or ("title", "body"), "kind", None)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_and_byte_order_marks(tmp_path: Path, delimiter: str, encoding: str) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(table(delimiter).encode(encoding))
    data = read(file)
    assert data.classes == ["fruit", "tools"]
    assert {text for text, _ in data.train} == {"a pear ripe, soft", "a saw"}
    assert data.notes == ()
    assert {text for text, _ in read(file, "body", "title").train} == {"ripe, soft a pear", "a saw"}


@pytest.mark.parametrize(("byte", "letter"), [(b"\xe9", "é"), (b"\x96", "–"), (b"\x81", "\x81")])
def test_latin_1_is_read_and_told(tmp_path: Path, byte: bytes, letter: str) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(table().encode().replace(b"a saw", b"caf" + byte, 1))
    data = read(file)
    assert f"caf{letter}" in {text for text, _ in data.train + data.test}
    assert len(data.notes) == 1
    assert "line 3" in data.notes[0]
    assert "Windows-1252" in data.notes[0]


def test_spaces_around_names_and_labels(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    lines = ["title , kind", *["pear, fruit ", '"saw, big",tools', "plum,fruit", "axe,  tools"] * 5]
    file.write_text("\n".join(lines))
    data = read(file, "title")
    assert data.classes == ["fruit", "tools"]
    assert "saw, big" in {text for text, _ in data.train}


def test_a_long_field(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text(table() + f'fruit,"{"pear " * 60_000}",\n')
    assert max(len(text) for text, _ in read(file).train + read(file).test) == 5 * 60_000 - 1


def test_quotes_that_are_none_between_tabs(tmp_path: Path) -> None:
    file = tmp_path / "table.tsv"
    file.write_text(table("\t") + 'fruit\t"Pear" is a word\tand 5" long\ntools\t"saw\t\n')
    assert '"Pear" is a word and 5" long' in {t for t, _ in read(file).train + read(file).test}


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.ndjson", "rows.json"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    records = [dict(zip(HEADER, ROWS[i % 2], strict=True)) | {"n": i % 2} for i in range(20)]
    lines = json.dumps(records) if name == "rows.json" else "\n\n".join(map(json.dumps, records))
    file.write_text(lines, encoding="utf-8-sig")
    assert read(file).classes == ["fruit", "tools"]
    assert read_labelled(file, ["body"], "n", None).classes == ["0", "1"]
    for words, line in [
        ('{"kind": "fruit", "title": null}', "no field 'title'"),
        ("[1", "no JSON"),
    ]:
        file.write_text(words)
        with pytest.raises(LabError, match=f"line 1: {line}"):
            read(file)
    file.write_text('{"kind": "fruit", "title": ""}\n7\n')
    with pytest.raises(LabError, match="line 2: expected an object, found '7'"):
        read(file, "title")


def kaggle(folder: Path, header: str) -> Path:
    folder.mkdir()
    rows = [f'{n},"{word} of the day","about {word}"' for n, word in enumerate("abcd", 1)] * 5
    for name in ("train.csv", "test.csv"):
        (folder / name).write_text("\n".join([header, *rows]) + "\n")
    return folder


def test_ag_news_as_kaggle_has_it(tmp_path: Path) -> None:
    data = read_labelled(kaggle(tmp_path / "news", "Class Index,Title,Description"), [], None, None)
    assert data.classes == ["World", "Sports", "Business", "Sci/Tech"]
    assert data.train[0] == ("a of the day about a", 0)
    assert len(data.train) == len(data.test) == 20


def test_classes_without_names_are_numbers(tmp_path: Path) -> None:
    folder = kaggle(tmp_path / "news", "label,head,text")
    assert read_labelled(folder, [], None, None).classes == ["1", "2", "3", "4"]
    named = read_labelled(folder, ["head", "text"], "label", None)
    assert named.classes == ["1", "2", "3", "4"]
    assert named.train[1] == ("b of the day about b", 1)


def test_what_is_no_table(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(b"PK\x03\x04\x00\x00")
    with pytest.raises(LabError, match="no text: expected CSV"):
        read(file)
    file.write_text(table(";"))
    with pytest.raises(LabError, match="no column 'text'; it has: kind, title, body"):
        read(file, "text")
    file.write_text(table() + "fruit,only\n")
    with pytest.raises(LabError, match="line 22: 2 columns, expected 3"):
        read(file)


def test_fine_tuning_on_such_a_table(inside: Inside, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    lines = [f"{k};{WORDS[k][i % 3]};caf\xe9" for i in range(20) for k in WORDS]
    file.write_bytes("\n".join(["kind;title;body", *lines]).encode("latin-1"))
    columns = ["--text", "title", "--text", "body", "--label", "kind", "--epochs", 1]
    run = tmp_path / "run"
    code, said = inside("finetune", "--data", file, "--out", run, *columns, *QUICK)
    assert code == 0, said
    assert "Windows-1252" in said
    assert json.loads((run / "config.json").read_text())["classes"] == ["fruit", "tools"]
    data = news(tmp_path / "news")
    (data / "classes.txt").unlink()
    assert (
        inside("finetune", "--data", data, "--out", tmp_path / "b", "--epochs", 1, *QUICK)[0] == 0
    )
    assert json.loads((tmp_path / "b" / "config.json").read_text())["classes"] == ["1", "2"]


def test_excels_first_line_and_the_columns_that_there_are(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("sep=;\r\n" + table(";"))
    assert read(file).classes == ["fruit", "tools"]
    with pytest.raises(LabError, match="--text and --label; it has: kind, title, body"):
        read_labelled(file, (), None, None)


def test_rows_without_a_label_are_left_out_and_told(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text(table() + " ,a plum,blue\n")
    data = read(file)
    assert data.classes == ["fruit", "tools"]
    assert data.notes == (f"{file}: rows without a label are left out: 1, first line 22",)


def test_a_rare_class_is_learnt_from(tmp_path: Path) -> None:
    for rare in range(20):
        file = tmp_path / f"table-{rare}.csv"
        lines = [",".join(ROWS[0]) for _ in range(39)]
        lines.insert(2 * rare, "rare,a yeti,")
        file.write_text("\n".join([",".join(HEADER), *(line.replace(", ", " ") for line in lines)]))
        data = read(file)
        assert "rare" in {data.classes[number] for _, number in data.train}


def test_columns_without_names_go_by_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("".join(f'{4 * (n % 2)},id{n},"good, bad"\n' for n in range(20)))
    data = read_labelled(file, ["3"], "1", None)
    assert data.classes == ["0", "4"]
    assert len(data.train) + len(data.test) == 20
    assert data.train[0][0] == "good, bad"
    with pytest.raises(LabError, match="no column '7'; it has: 1, 2, 3"):
        read_labelled(file, ["7"], "1", None)
