"""A real browser for the tests of pages."""

import base64
import gzip
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Chromium (apt install chromium)"
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def packed_data(report: Path) -> Any:
    """What a report's script shows."""
    found = re.search(r'id="data">([^<]*)</script>', report.read_text(encoding="utf-8"))
    assert found is not None
    return json.loads(gzip.decompress(base64.b64decode(found[1])))


def open_browser() -> Iterator[Any]:
    """Chromium; the body of a fixture."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright (pip install .[test])"
    )
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Page:
    """An open page, and all that it complained about or asked the network for."""

    def __init__(self, browser: Any, url: str, **context: Any) -> None:
        size = {"width": 1100, "height": 1500}
        self.page = browser.new_context(**{"viewport": size, **context}).new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)
        if self.page.locator("#data").count():
            self.page.wait_for_selector("body[data-ready]")

    def text(self, selector: str) -> str:
        """What is shown there."""
        return str(self.page.locator(selector).inner_text())
