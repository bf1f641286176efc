"""The report in a real browser: it opens, moves, and lets nothing from outside act."""

import csv
import json
import time
from pathlib import Path
from typing import Any

import pytest
from browsing import Page, needs_chromium
from PIL import Image
from programs import inside, program

from rediff_eval.sanitize import plain
from rediff_eval.views.front import pareto
from rediff_eval.views.report.svg import Point

pytestmark = needs_chromium
HOSTILE = [
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "<svg onload=window.hacked=1>",
    "\"><script>window.hacked = 1</script>",
    "' onmouseover='window.hacked = 1",
    "<!-- <script> --><script>window.hacked = 1</script>",
    "<iframe src='javascript:window.hacked = 1'></iframe>",
    "<a href='javascript:window.hacked = 1'>a</a>",
    "<style>body { display: none }</style>",
    "<base href='http://127.0.0.1:9/'>",
    "<meta http-equiv='refresh' content='0;url=http://127.0.0.1:9/'>",
    "<object data='x'></object>",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "${7 * 7}",
    "\\u003cscript\\u003ewindow.hacked = 1\\u003c/script\\u003e",
    "&lt;script&gt;",
    "]]><script>window.hacked = 1</script>",
    "=HYPERLINK(\"http://127.0.0.1:9/\")",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\x1b[2J\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\u202egnp.exe",
    "\u2066\u2067\u2069",
    "a\u2028b\u2029c",
    "null\x00byte",
    "|a|b|\n|---|---|",
    "`code` *bold* _under_ [link](javascript:1)",
    "\r\nContent-Type: text/html",
    "__proto__",
    "constructor",
    "../../../../etc/passwd",
    "x" * 5000,
]  # fmt: skip


def test_the_page_opens_without_a_complaint_or_a_network(browser: Any, report: Path) -> None:
    page = Page(browser, report.as_uri())
    assert page.complaints == []
    assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []
    assert page.page.locator("tbody tr").count() >= 4
    assert page.page.locator("svg .series").count() == 12
    assert page.page.locator("svg:has(.diagonal) .series").count() == 4
    assert page.page.locator("svg[aria-label^='share mended'] .series").count() == 2
    assert page.page.locator(".sample").count() == 4
    assert "rediff-eval run --task capture" in page.text("header")


def test_the_slider_moves_by_keyboard_and_shows_every_state(browser: Any, report: Path) -> None:
    page = Page(browser, report.as_uri())
    slider = page.page.locator("#trace-slider")
    page.page.locator("#trace-cell").select_option(label="rediff (refine), 20 steps")
    slider.press("Home")
    assert page.page.locator("#trace-words .masked").count() == 80
    slider.focus()
    seen: set[str] = set()
    for step in range(1, int(slider.get_attribute("max")) + 1):
        page.page.keyboard.press("ArrowRight")
        assert page.text("#trace-step").startswith(f"{step} of ")
        for name in ("masked", "committed", "fixed", "broken", "revised", "wrong"):
            if page.page.locator(f"#trace-words .{name}").count():
                seen.add(name)
    assert {"masked", "committed", "fixed"} <= seen
    assert page.page.locator("#trace-words .masked").count() == 0
    assert page.page.locator("#trace-words [title^=confidence]").count() > 20
    page.page.keyboard.press("Home")
    assert page.text("#trace-step").startswith("0 of ")
    assert "words revised" in page.text("#trace-counts")
    assert page.complaints == []


def test_the_last_step_shows_the_caption(browser: Any, report: Path) -> None:
    page = Page(browser, report.as_uri())
    words = page.text("#trace-words").replace("■", "").split()
    lines = [
        json.loads(line) for line in (report.parent / "captions.jsonl").read_text().splitlines()
    ]
    cell = page.page.locator("#trace-cell option:checked").inner_text()
    (caption,) = [
        line["text"] for line in lines
        if line["id"] == page.page.locator("#trace-sample option:checked").inner_text()
        and cell == f"{line['model']} ({line['sampler']}), {line['steps']} steps"
    ]  # fmt: skip
    assert "".join(words) == caption.replace(" ", "")


def test_what_was_asked_stands_beside_the_answer(browser: Any, tmp_path: Path) -> None:
    inside(
        "run", "--task", "scenes-qa", "--limit", "5", "--model", "rediff", "--steps", "10",
        "--traces", "5", "--out", tmp_path,
    )  # fmt: skip
    inside("report", str(tmp_path))
    page = Page(browser, (tmp_path / "report.html").as_uri())
    lines = [json.loads(line) for line in (tmp_path / "captions.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines):
        page.page.locator("#trace-sample").select_option(str(number))
        assert page.text("#trace-asked").split("\n\n") == line["said"]
        shown = page.page.locator(".sample").nth(number).locator(".asked, .said").all_inner_texts()
        assert shown == line["said"]
    assert [len(line["said"]) for line in lines] == [1, 1, 1, 1, 3]
    assert page.complaints == []


def test_the_front_is_what_no_other_point_beats() -> None:
    points = [Point(x, y, y, y) for x, y in ((1, 0.5), (2, 0.4), (2, 0.7), (3, 0.7), (4, 0.9))]
    front = pareto(points, lambda p: (p.x, p.y))
    assert [(p.x, p.y) for p in front] == [
        (1, 0.5),
        (2, 0.7),
        (4, 0.9),
    ]
    assert pareto([], lambda p: p) == []


def test_play_plays(browser: Any, report: Path) -> None:
    page = Page(browser, report.as_uri())
    page.page.locator("#trace-cell").select_option(label="rediff (refine), 20 steps")
    page.page.locator("#trace-slider").press("Home")
    page.page.locator("#trace-play").click()
    page.page.wait_for_timeout(1200)
    page.page.locator("#trace-play").click()
    now = page.text("#trace-step")
    assert 2 <= int(now.split()[0]) <= 8
    page.page.wait_for_timeout(600)
    assert page.text("#trace-step") == now


def test_light_and_dark(browser: Any, report: Path) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        page = Page(browser, report.as_uri(), color_scheme=scheme).page
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades[scheme] = sum(map(int, colour[4:-1].split(",")))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert shades["light"] > 600 > 200 > shades["dark"]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which ids, captions, references, file names and the run's own name are hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    Image.new("RGB", (9, 9), "red").save(folder / "a.png")
    lines = [
        json.dumps({"id": f"{text}", "image": "a.png", "references": [text]}) for text in HOSTILE
    ]
    (folder / "data.jsonl").write_text("\n".join(lines))
    captions = folder / "<img src=x onerror=window.hacked=1>.json"
    captions.write_text(json.dumps({text: f"{text} {text}" for text in HOSTILE[2:]}))
    out = folder / "<b>run</b>"
    inside(
        "run", "--task", "capture", "--data", str(folder / "data.jsonl"), "--model",
        f"captions:{captions}", "--out", str(out), "--max-failures", "0.5",
    )  # fmt: skip
    return out


def test_nothing_from_outside_acts_in_the_page(browser: Any, hostile: Path) -> None:
    inside("report", str(hostile), "--samples", "99")
    page = Page(browser, (hostile / "report.html").as_uri())
    page.page.wait_for_timeout(300)
    assert page.complaints == []
    assert page.page.evaluate("window.hacked") is None
    assert page.page.locator(".sample").count() == len(HOSTILE)
    assert page.page.locator("script").count() == 2
    for tag in ("iframe", "object", "base", "body style", "body meta", "main a"):
        assert page.page.locator(tag).count() == 0, tag
    assert all(url.startswith(("file:", "data:")) for url in page.asked)
    shown = page.page.locator(".sample h3").all_inner_texts()
    assert HOSTILE[0] in shown
    assert "failed: no caption in the file" in page.text("#gallery")


@pytest.mark.parametrize("form", ["table", "md", "csv", "json", "html", "latex"])
def test_nothing_from_outside_acts_in_a_leaderboard(form: str, hostile: Path) -> None:
    output = program("leaderboard", hostile, "--metric", "bleu4", "--format", form)
    assert "\x1b" not in output
    if form == "html":
        assert "<img" not in output
        assert "&lt;img" in output
    if form == "md":
        assert "\\<img" in output


def test_tables_that_programs_read_hold_the_very_ids(hostile: Path) -> None:
    with (hostile / "samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == list(HOSTILE[2:])


def test_nothing_from_outside_acts_in_the_terminal() -> None:
    for text in HOSTILE:
        shown = plain(text)
        assert not any(ord(character) < 32 or character in "\u202e\u2066" for character in shown)


def test_a_large_run_is_quick_to_report_and_small(tmp_path: Path) -> None:
    """5,000 captions at four budgets, eight of them traced."""
    line = {"tokens": 80, "nfe": 80, "seconds": 0.1, "truncated": False}
    written = [[place, "word", 0.5, "c"] for place in range(80)]
    revised = [[place, "other", 0.5, "r"] for place in range(0, 80, 2)]
    trace = {"length": 80, "truth": None, "steps": [written, *[revised] * 79]}
    inside(
        "run", "--task", "capture", "--limit", "8", "--model", "rediff", "--steps", "80,40,20,10",
        "--traces", "0", "--out", str(tmp_path),
    )  # fmt: skip
    results = json.loads((tmp_path / "results.json").read_text())
    ids = [json.loads(text)["id"] for text in (tmp_path / "captions.jsonl").open()][:8]
    with (tmp_path / "captions.jsonl").open("w") as file:
        for steps_, budget in ((80, 1.0), (40, 2.0), (20, 4.0), (10, 8.0)):
            for number in range(5000):
                name = ids[number] if number < 8 else f"other-{number}"
                row = {"model": "rediff", "sampler": "refine", "steps": steps_, "id": name,
                       "tokens_per_step": budget, "text": "a red square " * 40, **line}  # fmt: skip
                file.write(json.dumps(row | ({"trace": trace} if number < 8 else {})) + "\n")
    assert len(results["cells"]) == 4
    started = time.monotonic()
    inside("report", str(tmp_path))
    assert time.monotonic() - started < 60
    assert (tmp_path / "report.html").stat().st_size < 15e6
