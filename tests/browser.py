"""A real browser for tests of pages: what it shows, asks for and complains of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_selenium_python import Axe
from selenium import webdriver

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="no browser here: install chromium and chromium-driver to test the page",
)
THEMES, WIDTHS = ("light", "dark"), (390, 1200)
SERIOUS = ("serious", "critical")
SENT = "Network.requestWillBeSent"


@pytest.fixture(scope="module", name="browser")
def browser_of_module() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    assert CHROMIUM
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def look(browser: webdriver.Chrome, page: Path, theme: str = "light", width: int = 1200) -> None:
    """Open a page with nothing in the logs."""
    look_at(browser, page.as_uri(), theme, width)


def look_at(
    browser: webdriver.Chrome, address: str, theme: str = "light", width: int = 1200
) -> None:
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(address)


def requests(browser: webdriver.Chrome) -> set[str]:
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [e["params"]["request"]["url"] for e in events if e["method"] == SENT]
    return {url for url in sent if not url.startswith("data:")}


def serious(browser: webdriver.Chrome) -> dict[str, str]:
    """What keeps people from using the page that is open, with an element of each kind."""
    axe = Axe(browser)
    axe.inject()
    found: list[dict[str, Any]] = axe.run()["violations"]
    return {f["id"]: f["nodes"][0]["html"] for f in found if f["impact"] in SERIOUS}


# Words that are cut in two, but for code and what is far longer than a line.
BROKEN = """
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  if (node.parentElement.closest("pre, .source, script, style, svg")) continue;
  for (const word of node.data.matchAll(/[^\\s\\u200b/-]+/g)) {
    const range = document.createRange();
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    const tops = new Set([...range.getClientRects()].map((r) => Math.round(r.top)));
    if (tops.size > 1 && word[0].length < 30) found.push(word[0]);
  }
}
return found;
"""


def assert_everybody_can_use_it(browser: webdriver.Chrome, width: int) -> None:
    """axe finds nothing serious, nothing sticks out, and no word breaks in the middle."""
    assert not serious(browser)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(BROKEN) == []
