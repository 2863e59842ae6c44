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
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(page.as_uri())


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
