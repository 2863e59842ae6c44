"""The page of a watch in a real browser: it follows each save, and nobody else gets anything."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from grader.report.weights import drawn_weights
from grader.results import Report
from grader.watch import Page
from tests.browser import (
    THEMES,
    WIDTHS,
    assert_everybody_can_use_it,
    browser_of_module,  # noqa: F401  # a fixture
    look_at,
    needs_browser,
)
from tests.conftest import Grade
from tests.terminal import grader

pytestmark = needs_browser
Write = Callable[[str], Path]


@pytest.fixture(scope="module", name="reports")
def _reports(
    judge: Grade, tmp_path_factory: pytest.TempPathFactory, reference: str
) -> list[Report]:
    """Of an attention without a mask, and of one that is right."""
    folder = tmp_path_factory.mktemp("work")
    files = [folder / "wrong" / "gpt2.py", folder / "right" / "gpt2.py"]
    for file in files:
        file.parent.mkdir()
    files[0].write_text(reference.replace(".tril()", ""), encoding="utf-8")
    files[1].write_text(reference, encoding="utf-8")
    return [judge(file, only="CausalSelfAttention") for file in files]


@pytest.fixture(name="page")
def _page() -> Iterator[Page]:
    page = Page()
    page.open()
    yield page
    page.close()


def wait(browser: webdriver.Chrome, words: str) -> str:
    text = WebDriverWait(browser, 60).until(
        lambda browser: words in (text := browser.find_element(By.TAG_NAME, "body").text) and text
    )
    return str(text)


def test_it_follows_each_save(browser: webdriver.Chrome, page: Page, reports: list[Report]) -> None:
    look_at(browser, page.address)
    wait(browser, "Nothing is graded yet")
    page.show(reports[0])
    text = wait(browser, "15 of 40 points")
    assert "CausalSelfAttention: mask-none" in text
    assert "Points over time" in text
    pictures = browser.find_elements(By.CSS_SELECTOR, ".map svg")
    labels = [picture.get_attribute("aria-label") or "" for picture in pictures]
    assert labels[0].startswith("Leak map: output 0 moves with input 1")
    assert "with this bug, head 0: position 0 attends to 1" in labels[2]
    assert "no position attends ahead" in labels[1]
    axes = [axis.text for axis in browser.find_elements(By.CSS_SELECTOR, ".map .axis")]
    assert axes[:2] == ["input s →", "← output t"]
    summary = browser.find_element(By.TAG_NAME, "summary")
    summary.click()  # what was shut stays shut
    page.show(reports[1])
    text = wait(browser, "40 of 40 points")
    assert "Live, updated at" in text
    assert browser.title.startswith("PASS 40 of 40")
    assert not browser.find_elements(By.CSS_SELECTOR, "details[open]")
    page.close()
    page._server = None
    wait(browser, "Not connected: the watch has ended")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_everybody_can_use_it(
    browser: webdriver.Chrome, page: Page, reports: list[Report], width: int, theme: str
) -> None:
    page.show(reports[0])
    look_at(browser, page.address, theme, width)
    assert_everybody_can_use_it(browser, width)


def status(address: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def test_nobody_without_the_address_gets_anything(page: Page, reports: list[Report]) -> None:
    page.show(reports[0])
    port = page.address.split(":")[2].split("/")[0]
    assert status(page.address) == 200
    assert status(f"http://127.0.0.1:{port}/") == 404
    assert status(f"http://127.0.0.1:{port}/{'x' * 22}/") == 404
    assert status(f"{page.address}../etc/passwd") == 404
    # A name of elsewhere that leads here is another site to a browser, and gets nothing.
    assert status(page.address, Host=f"evil.example:{port}") == 404
    connection = http.client.HTTPConnection("127.0.0.1", int(port))
    connection.request("POST", f"/{page.token}/")
    assert connection.getresponse().status == 501


def test_only_loopback_listens(page: Page) -> None:
    assert page._server
    assert page._server.socket.getsockname()[0] == "127.0.0.1"
    assert len(page.token) >= 22


def test_nothing_listens_where_no_page_is_asked_for(reports: list[Report]) -> None:
    page = Page()
    page.show(reports[0])
    assert page.address == ""
    page.close()


def test_the_key_says_where_the_page_is(
    tmp_path: Path, reference: str, write: Write, reports: list[Report]
) -> None:
    file = write(reference)
    with grader("watch", file, "--only", "MLP", state=tmp_path) as terminal:
        terminal.wait("PASS  15 of 15")
        terminal.command.send("o")
        shown = terminal.wait("the page: http://127.0.0.1:")
        address = shown.split("the page: ")[1].split()[0]
        with urllib.request.urlopen(address) as answer:
            assert "15 of 15" in answer.read().decode()
        terminal.command.send("q")
        assert terminal.end() == 0
    time.sleep(0.1)
    with (
        pytest.raises(OSError, match="refused"),
        socket.create_connection(("127.0.0.1", int(address.split(":")[2].split("/")[0]))),
    ):
        pass


@pytest.mark.parametrize("cause", ["mask-none", "mask-after-softmax", "softmax-over-heads"])
def test_weights_that_a_bug_changes_have_a_picture(cause: str) -> None:
    found = drawn_weights(cause)
    assert found
    for expected, actual in found:
        assert all(abs(sum(row) - 1) < 1e-9 for row in expected)
        assert expected != actual


@pytest.mark.parametrize("cause", ["merge-wrong", "relu", "no-such-bug"])
def test_others_have_none(cause: str) -> None:
    assert drawn_weights(cause) is None
