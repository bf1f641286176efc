"""The report as people use it: what it opens on, sorting, finding, two traces, links."""

from pathlib import Path
from typing import Any

from browsing import Page, needs_chromium

pytestmark = needs_chromium


def test_it_opens_on_a_telling_case(browser: Any, report: Path) -> None:
    """The best cell of the fastest budget beside another there, both at their ends."""
    page = Page(browser, report.as_uri())
    first, second = (
        page.page.locator(f"#trace-{box} option:checked").inner_text() for box in ("cell", "other")
    )
    assert {first, second} == {"rediff (refine), 10 steps", "control (mask-predict), 10 steps"}
    assert first.startswith("rediff")
    now, _, last = page.text("#trace-step").partition(" of ")
    assert now == last
    assert len(page.text("#other-words").split()) > 20


def test_the_address_names_what_is_shown(browser: Any, report: Path) -> None:
    page = Page(browser, report.as_uri()).page
    page.locator("#trace-sample").select_option("1")
    page.locator("#trace-other").select_option("")
    page.locator("#trace-slider").press("ArrowRight")
    page.locator("#trace-slider").press("ArrowRight")
    address, words = page.url, page.locator("#trace-words").inner_text()
    again = Page(browser, address).page
    assert again.locator("#trace-words").inner_text() == words
    assert again.locator("#trace-step").inner_text().startswith("2 of ")
    assert not again.locator("#other-words").is_visible()
    assert again.url == address


def test_a_click_in_the_gallery_opens_its_trace(browser: Any, report: Path) -> None:
    page = Page(browser, report.as_uri()).page
    row = page.locator("#gallery tr.open").nth(5)
    name, text = (row.locator("td").nth(place).inner_text() for place in (0, 1))
    row.click()
    assert page.locator("#trace-cell option:checked").inner_text() == name
    words = page.locator("#trace-words").inner_text().replace("■", "")
    assert "".join(words.split()) == "".join(text.split())


def test_the_gallery_sorts_finds_and_folds(browser: Any, report: Path) -> None:
    page = Page(browser, report.as_uri()).page

    def scores(cell: str) -> list[float]:
        lines = page.locator("#gallery tr", has_text=cell).locator(".score").all_inner_texts()
        return [float(line) for line in lines]

    cell, other = "rediff (refine), 10 steps", "control (mask-predict), 10 steps"
    page.locator("#gallery-order").select_option(label=f"worst of {cell}")
    assert scores(cell) == sorted(scores(cell))
    assert len(scores(cell)) == 4
    page.locator("#gallery-against").select_option(label=other)
    gains = [a - b for a, b in zip(scores(cell), scores(other), strict=True)]
    assert gains == sorted(gains)
    names = page.locator(".sample h3").all_inner_texts()
    page.locator("#gallery-find").fill(names[2])
    assert page.locator(".sample").count() == 1
    assert page.locator("#gallery-count").inner_text() == "1 of 1 samples"
    table = page.locator(".sample table")
    assert table.is_visible()
    page.locator(".sample .fold > summary").click()
    assert not table.is_visible()


def test_the_leaderboard_sorts_by_any_column(browser: Any, report: Path) -> None:
    page = Page(browser, report.as_uri()).page
    head = page.locator(".sortable th", has_text="capture")
    column = page.locator(".sortable th").all_inner_texts().index("capture")

    def means() -> list[float]:
        cells = page.locator(f".sortable tbody td:nth-child({column + 1})").all_inner_texts()
        return [float(cell.split()[0]) for cell in cells]

    head.click()
    assert means() == sorted(means(), reverse=True)
    head.press("Enter")
    assert means() == sorted(means())
    page.locator(".tests > summary").click()
    assert "to" in page.locator(".tests tbody tr").first.inner_text()


def test_a_phone_shows_it_without_a_wall(browser: Any, report: Path) -> None:
    page = Page(browser, report.as_uri(), viewport={"width": 390, "height": 844}).page
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
    first = page.locator(".sortable tbody td").first
    at = first.bounding_box()
    page.locator(".scroll").first.evaluate("box => box.scrollLeft = 400")
    assert first.bounding_box() == at, "the first column stays"
