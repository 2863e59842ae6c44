"""The page in a real browser: it renders, asks nobody for anything, and everybody can use it."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from grader.report import html, lookalikes, table, table_page
from grader.report.lookalikes import Group, Pair, Passage, Side
from grader.results import Report
from grader.session import Grading, Session
from tests.bank import FOLDER, ROOT
from tests.browser import (
    THEMES,
    WIDTHS,
    assert_everybody_can_use_it,
    browser_of_module,  # noqa: F401  # a fixture
    look,
    needs_browser,
    requests,
    serious,
)
from tests.conftest import Grade

pytestmark = needs_browser
PAGES = ("wrong", "todo", "syntax", "progress", "index", "lookalikes")
WRONG = FOLDER / "wrong" / "mask_none_sdpa_not_causal.py"


@pytest.fixture(scope="module", name="report")
def _report(judge: Grade) -> Report:
    return judge(WRONG, seed=3)


@pytest.fixture(scope="module", name="pages")
def _pages(
    judge: Grade, report: Report, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    pages = {name: folder / f"{name}.html" for name in PAGES}
    html.write(report, pages["wrong"])
    html.write(judge(ROOT / "exercises"), pages["todo"])
    broken = folder / "gpt2.py"
    broken.write_text("class MLP(:\n    pass\n<script>alert(1)</script>", encoding="utf-8")
    html.write(judge(broken), pages["syntax"])
    html.write_progress(session(), pages["progress"])
    table_page.write(rows(), FACTS, GROUPS, folder, table.Arrivals())
    lookalikes.write(GROUPS, pages["lookalikes"])
    return pages


FACTS = {"exercise": "gpt2", "seed": 1, "policy": "any", "timeout": 10.0, "kit": "0"}
PAIR = Pair(
    ("alice.py", "<i>bob</i>.py"),
    0.9,
    (
        Side((Passage((("3", "x = attend(x)"), ("4", "y = " + "x + " * 60))),)),
        Side((Passage((("7", "<script>alert(2)</script>"),)),)),
    ),
)
GROUPS = [Group(PAIR.names, (PAIR,)), Group(("carol.py", "dan.py", "eve.py"))]


def rows() -> list[table.Row]:
    parts = (("MLP", 10.0, 15.0), ("GPT2", 5.0, 25.0))
    kinds = (("alice.py", "pass", 100.0), ("bob.py", "fail", 9.0), ("carol.py", "internal", 0.0))
    return [
        table.Row(
            name, verdict, score, 100.0, parts, ("mask-none",), (), "found <b>", "full", "0", 1
        )
        for name, verdict, score in kinds
    ]


def session() -> Session:
    gradings = [
        Grading(5.0 * n, "fail", 20.0 * n, 100.0, {"MLP": (3.0 * n, 15.0)}, "0" * 64)
        for n in range(1, 5)
    ]
    return Session(Path("attempt"), "gpt2", 0.0, 30.0, gradings)


@pytest.mark.parametrize("name", PAGES)
def test_page_is_quiet_and_alone(
    browser: webdriver.Chrome, pages: dict[str, Path], name: str
) -> None:
    look(browser, pages[name])
    assert browser.find_element(By.TAG_NAME, "h1").is_displayed()
    assert requests(browser) == {pages[name].as_uri()}
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_use_it(
    browser: webdriver.Chrome, pages: dict[str, Path], name: str, width: int, theme: str
) -> None:
    look(browser, pages[name], theme, width)
    assert_everybody_can_use_it(browser, width)


def test_axe_sees_what_is_wrong(browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text("<title>x</title><p style='color:#eee'>faint<img src=x>", encoding="utf-8")
    look(browser, page)
    assert {"color-contrast", "image-alt", "html-has-lang"} <= set(serious(browser))
    assert browser.get_log("browser")


def test_what_it_shows(browser: webdriver.Chrome, pages: dict[str, Path], report: Report) -> None:
    look(browser, pages["wrong"])
    text = browser.find_element(By.TAG_NAME, "main").text
    first = report.problems[0][0]
    assert first.counterexample
    for part in (
        *("FAIL", "75 of 100", "CausalSelfAttention: mask-none", first.check.requirement),
        *(first.message, first.counterexample.code.splitlines()[-1], report.isolation_level),
        f"grader grade {WRONG} --exercise gpt2 --seed 3",
    ):
        assert part in text
    assert "output 0 moves with input 1" in (
        browser.find_element(By.CSS_SELECTOR, ".map svg").get_attribute("aria-label") or ""
    )
    marked = browser.find_elements(By.CSS_SELECTOR, ".source .marked")
    assert any("scaled_dot_product_attention" in row.text for row in marked)


def test_a_hostile_page_is_text(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    look(browser, pages["syntax"])
    assert "<script>alert(1)</script>" in browser.find_element(By.CLASS_NAME, "source").text
    assert not browser.find_elements(By.TAG_NAME, "script")


def test_a_syntax_error_keeps_its_caret(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    look(browser, pages["syntax"], width=390)
    shown = browser.find_element(By.CSS_SELECTOR, "main pre").text.split("\n")
    line = next(n for n, text in enumerate(shown) if text.strip() == "class MLP(:")
    assert shown[line + 1].strip() == "^"
    assert shown[line + 1].index("^") == shown[line].index(":")


def test_keyboard_alone(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    look(browser, pages["wrong"])
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    first = browser.switch_to.active_element
    assert first.text == "To the report"
    first.send_keys(Keys.ENTER)
    summary = browser.find_element(By.TAG_NAME, "summary")
    was_open = summary.find_element(By.XPATH, "..").get_attribute("open")
    summary.send_keys(Keys.ENTER)
    assert summary.find_element(By.XPATH, "..").get_attribute("open") != was_open


def test_the_table_is_sorted_by_a_key(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    look(browser, pages["index"])

    def names() -> list[str]:
        cells = browser.find_elements(By.CSS_SELECTOR, ".sortable tbody th")
        return [cell.text for cell in cells]

    heads = browser.find_elements(By.CSS_SELECTOR, ".sortable thead th")
    points = next(head for head in heads if head.text.startswith("points"))
    button = points.find_element(By.TAG_NAME, "button")
    button.send_keys(Keys.ENTER)
    assert names() == ["carol.py", "bob.py", "alice.py"]
    assert points.get_attribute("aria-sort") == "ascending"
    button.click()
    assert names() == ["alice.py", "bob.py", "carol.py"]
    assert points.get_attribute("aria-sort") == "descending"
    heads[0].find_element(By.TAG_NAME, "button").click()
    assert names() == ["alice.py", "bob.py", "carol.py"]
    assert points.get_attribute("aria-sort") is None
    assert browser.get_log("browser") == []


def test_print(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    look(browser, pages["wrong"])
    assert len(browser.print_page()) > 10_000
