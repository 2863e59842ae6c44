"""The table of a batch in a real browser: 500 rows, found, filtered, sorted and grown."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from grader.person import Person
from grader.report import table, table_page
from grader.report.lookalikes import Group, Pair
from tests.browser import (
    THEMES,
    WIDTHS,
    browser_of_module,  # noqa: F401  # a fixture
    look,
    needs_browser,
    requests,
    serious,
)

pytestmark = needs_browser
FACTS = {"exercise": "gpt2", "seed": 1, "policy": "any", "timeout": 10.0, "kit": "0"}
ROWS = 500
PARTS = ("CausalSelfAttention", "MLP", "TransformerBlock", "GPT2")
CAUSES = ("mask-none", "no-scale", "relu", "post-norm")


def row(number: int) -> table.Row:
    verdict = ("pass", "fail", "fail", "ungraded")[number % 4]
    lost = PARTS[number % 3]
    points = {"fail": 75.0, "pass": 100.0}.get(verdict, 0.0)
    parts = tuple((p, 0.0 if verdict == "fail" and p == lost else 25.0, 25.0) for p in PARTS)
    return table.Row(
        name=f"Person {number}_{number}_assignsubmission_file_",
        verdict=verdict,
        score=points,
        max_score=100.0,
        parts=parts,
        causes=(CAUSES[number % 4],) if verdict == "fail" else (),
        advisories=(),
        message="position 0 sees the future: new random vectors from position 1 on change it",
        isolation="full",
        sha256="0" * 64,
        seconds=1.0,
        page=f"reports/{number}.html",
        by_hand="By hand: 80 points, because <b>so</b>" if number == 7 else "",
        people=(Person(f"Jörg Müller {number}", str(9000 + number), f"m{number}@x.org"),),
        late=number % 50 == 0,
        attempt=(2, 2) if number % 100 == 0 else (1, 1),
    )


MISSING = (Person("Emmy Noether"),)
ARRIVALS = table.Arrivals(table.People((), MISSING, ("who.py",)), ("Thumbs.db",))


@pytest.fixture(scope="module", name="pages")
def _pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tables")
    rows = [row(number) for number in range(ROWS)]
    groups = [
        Group(("(the reference)", rows[0].name), (Pair(("a", "b"), 0.93),)),
        Group(tuple(item.name for item in rows[:40])),
    ]
    table_page.write(rows, FACTS, groups, folder / "whole", ARRIVALS)
    table_page.write(rows[:20], FACTS, groups, folder / "some", ARRIVALS)
    growing = table.Arrivals(waiting=ROWS - 20)
    table_page.write(rows[:20], FACTS, None, folder / "growing", growing)
    return {name: folder / name / "index.html" for name in ("whole", "some", "growing")}


def shown(browser: webdriver.Chrome) -> list[str]:
    script = """return [...document.querySelectorAll(".sortable tbody tr")]
        .filter(row => row.getClientRects().length).map(row => row.cells[1].innerText)"""
    found: list[str] = browser.execute_script(script)
    return [text.split("\n")[0].removesuffix(" late") for text in found]


def ask(browser: webdriver.Chrome, name: str, value: str) -> float:
    """Type into a field as a person does, all at once; milliseconds until it is on the screen."""
    script = """const [name, value, done] = arguments;
        const field = document.querySelector(`[data-filter="${name}"]`);
        requestAnimationFrame(() => {
          const started = performance.now();
          field.value = value;
          field.dispatchEvent(new Event("input", {bubbles: true}));
          document.body.getBoundingClientRect();
          done(performance.now() - started);
        });"""
    return float(browser.execute_async_script(script, name, value))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["whole", "some", "growing"])
def test_everybody_can_use_it(
    browser: webdriver.Chrome, pages: dict[str, Path], name: str, width: int, theme: str
) -> None:
    look(browser, pages[name], theme, width)
    assert name == "whole" or not serious(browser)  # which takes long for so many cells
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert requests(browser) == {pages[name].as_uri()}


def test_search_and_filters(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    look(browser, pages["whole"])
    assert len(shown(browser)) == ROWS
    ask(browser, "find", "muller 123")
    assert shown(browser) == ["Jörg Müller 123"]
    ask(browser, "find", "9007")  # an id, which is in no cell
    assert shown(browser) == ["Jörg Müller 7"]
    ask(browser, "find", "nobody of this name")
    assert shown(browser) == []
    browser.find_element(By.ID, "all").click()
    for name, value, fits in (
        ("verdict", "ungraded", lambda item: item.verdict == "ungraded"),
        ("part", "MLP", lambda item: "MLP" in item.lost),
        ("cause", "relu", lambda item: "relu" in item.causes),
        ("person", "Jörg Müller 7", lambda item: item.who == "Jörg Müller 7"),
    ):
        field = browser.find_element(By.CSS_SELECTOR, f'[data-filter="{name}"]')
        Select(field).select_by_visible_text(value)
        wanted = [item.who for item in map(row, range(ROWS)) if fits(item)]
        assert wanted
        assert shown(browser) == wanted
        assert browser.find_element(By.ID, "shown").text == f"{len(wanted)} of {ROWS} shown"
        browser.find_element(By.ID, "all").click()
    assert browser.get_log("browser") == []


def test_a_search_of_500_rows_takes_no_time(
    browser: webdriver.Chrome, pages: dict[str, Path]
) -> None:
    look(browser, pages["whole"])
    taken = [ask(browser, "find", text) for text in ("m", "mu", "muller 1", "muller", "")]
    print(f"search of {ROWS} rows, with layout: {taken} ms")
    assert len(shown(browser)) == ROWS


def test_what_is_asked_outlives_loading_anew(
    browser: webdriver.Chrome, pages: dict[str, Path]
) -> None:
    look(browser, pages["growing"])
    ask(browser, "verdict", "fail")
    before = shown(browser)
    heads = browser.find_elements(By.CSS_SELECTOR, ".sortable thead button")
    heads[1].click()
    heads[1].click()
    browser.refresh()
    assert shown(browser) == sorted(before, reverse=True)
    assert 0 < len(before) < 20
    browser.find_element(By.ID, "all").click()
    assert "verdict" not in browser.current_url


def test_it_tells_of_people_and_what_else_came(
    browser: webdriver.Chrome, pages: dict[str, Path]
) -> None:
    look(browser, pages["whole"])
    text = browser.find_element(By.TAG_NAME, "main").text
    for words in ("Emmy Noether", "who.py", "Thumbs.db", "attempt 2 of 2, which counts", "late"):
        assert words in text
    assert "By hand: 80 points, because <b>so</b>" in text
    assert "(the reference), Person 0_0_assignsubmission_file_" in text
    assert "and 28 more" in text
    look(browser, pages["growing"])
    text = browser.find_element(By.TAG_NAME, "main").text
    assert "480 more are not graded yet" in text
    assert "looked for when all are graded" in text


def test_a_table_is_what_excel_reads(pages: dict[str, Path]) -> None:
    raw = (pages["whole"].parent / "results.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfsubmission,person,")
    assert "Jörg Müller 7" in raw.decode("utf-8-sig")
