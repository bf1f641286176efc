"""The live page in a real browser."""

from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
from browsing import Page, needs_chromium
from served import KEY, Running, serving

import rediff

pytestmark = needs_chromium


def opened(browser: Any, url: str, **context: Any) -> Page:
    page = Page(browser, f"{url}/", **context)
    page.page.locator("#first select[name=model]").wait_for()
    return page


def write(page: Page, *, steps: int = 10) -> None:
    """Asks, and waits until every pane is done."""
    for place in ("#first", "#second"):
        field = page.page.locator(f"{place} [name=steps]")
        if field.is_visible():
            field.fill(str(steps))
    page.page.click("#go")
    page.page.locator("#go:not([disabled])").wait_for()
    for pane in page.page.locator(".pane").all():
        pane.get_by_text("forward passes").wait_for()


def test_a_caption_is_written_and_scrubbed_back(browser: Any, server: Running) -> None:
    page = opened(browser, server.url)
    page.page.locator("#shown").wait_for()
    write(page)
    last = page.text(".words")
    assert len(last.split()) > 20
    assert "·" not in last
    steps = int(page.page.locator("#step").get_attribute("max") or 0) + 1
    assert 5 <= steps <= 10
    page.page.locator("#step").fill("0")
    first = page.text(".words")
    assert first.count("·") > 40
    assert page.text("#at") == f"step 1 of {steps}"
    assert page.page.locator(".words .written").count() > 0
    page.page.click("#play")
    page.page.get_by_text(f"step {steps} of {steps}").wait_for()
    assert page.text(".words") == last
    assert page.complaints == []
    assert {url.split("/")[2] for url in page.asked if url.startswith("http")} == {
        server.url.removeprefix("http://")
    }


def test_two_models_side_by_side(browser: Any, server: Running) -> None:
    page = opened(browser, server.url)
    page.page.locator("#shown").wait_for()
    page.page.select_option("#second [name=model]", "control")
    write(page)
    titles = page.page.locator(".pane h2").all_inner_texts()
    assert titles == ["rediff, refine, 10 steps", "control, mask-predict, 10 steps"]
    assert page.page.locator(".pane").nth(1).locator(".wrong").count() > 0
    page.page.select_option("#second [name=model]", "ar")
    write(page)
    assert len(page.page.locator(".pane").nth(1).locator(".words").inner_text().split()) > 20


def test_a_picture_is_chosen_and_asked_about(browser: Any, server: Running, tmp_path: Path) -> None:
    image, picture = rediff.scene(7).image, tmp_path / "picture.png"
    image.save(picture)
    page = opened(browser, server.url)
    page.page.locator("#shown").wait_for()
    page.page.set_input_files("#file", picture)
    page.page.locator("#shown[src*='data:image/png']").wait_for()
    write(page)
    with rediff.load("rediff") as model:
        right = model.caption(image, steps=10).text
    shown = page.text(".words").replace(" .", ".").replace(" ,", ",")
    assert " ".join(shown.split()) == right


def test_a_phone_shows_it_without_a_wall(browser: Any, server: Running) -> None:
    page = opened(browser, server.url, viewport={"width": 390, "height": 844})
    page.page.locator("#shown").wait_for()
    page.page.select_option("#second [name=model]", "control")
    write(page)
    assert page.page.evaluate("() => document.documentElement.scrollWidth") == 390


def test_problems_are_said_and_nothing_of_them_acts(browser: Any, server: Running) -> None:
    page = opened(browser, server.url)
    page.page.locator("#shown").wait_for()
    page.page.fill("#question", "<img src=x onerror='window.hacked = 1'>")
    page.page.locator("#first [name=steps]").evaluate("field => field.removeAttribute('max')")
    page.page.fill("#first [name=steps]", "500")
    page.page.click("#go")
    page.page.locator("#note.bad").wait_for()
    assert "500 steps" in page.text("#note")
    assert page.page.evaluate("() => window.hacked") is None


def test_a_key_is_asked_for(browser: Any, untrained: Path) -> None:
    model = untrained / "diffusion"
    with serving("--model", model, "--api-key-env", "OUR_KEY", OUR_KEY=KEY) as running:
        page = Page(browser, f"{running.url}/")
        page.page.get_by_text("this server wants a key").wait_for()
        page.page.fill("#key", KEY)
        page.page.click("#go")
        page.page.locator("#first select[name=model]").wait_for()


def test_events_are_steps_and_an_end(server: Running) -> None:
    found = httpx2.get(f"{server.url}/live/scene/3").json()
    assert found["caption"] == rediff.scene(3).caption
    buffer = BytesIO()
    rediff.scene(3).image.save(buffer, "PNG")
    assert httpx2.get(f"{server.url}/live/scene/99999").status_code == 404
    assert httpx2.get(f"{server.url}/page/other.py").status_code == 404
