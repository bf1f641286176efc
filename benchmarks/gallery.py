"""A report's page with a large gallery: its size, and how quick it is in Chromium.

Made-up captions: 60 words drawn from the scenes' vocabulary, a tenth of them drawn again for each
condition; and smooth coloured pictures of a photograph's size. No run and no model.

    python benchmarks/gallery.py --samples 5000 --conditions 20
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from rediff.scenes.grammar import vocabulary
from rediff_eval.benchmarks.sample import Sample
from rediff_eval.views.report.collect import Run, Shown, thumbnail, thumbnail_size
from rediff_eval.views.report.page import render


def made_up(samples: int, conditions: int) -> Run:
    """A run of so many samples and conditions."""
    rng, words = random.Random(0), vocabulary()
    size = thumbnail_size(samples)
    shown = []
    for number in range(samples):
        told = rng.choices(words, k=60)
        texts = [" ".join(_changed(told, words, rng)) for _ in range(conditions)]
        answers = {n: {"text": text, "nfe": 20} for n, text in enumerate(texts)}
        scores = {n: rng.random() for n in answers}
        picture = thumbnail(photograph(number), *size)
        shown.append(Shown(f"{number:05d}", picture, [" ".join(told)], (), answers, scores))
    cells = [
        {
            "model": f"model{n // 5}", "sampler": f"sampler{n % 5}",
            "steps": 20, "tokens_per_step": 4,
            "metrics": {"capture": {"value": 0.5, "low": 0.4, "high": 0.6, "n": samples}},
            "captions": samples, "failures": {}, "not_run": {}, "truncated": 0,
        }
        for n in range(conditions)
    ]  # fmt: skip
    manifest = {
        "task": {"name": "capture"}, "data": {"name": "made up", "samples": samples},
        "seed": 0, "command": "run",
    }  # fmt: skip
    return Run(Path("made-up"), manifest, cells, "capture", shown, {})


def _changed(told: Sequence[str], words: Sequence[str], rng: random.Random) -> list[str]:
    """A tenth of the words are others."""
    return [rng.choice(words) if rng.random() < 0.1 else word for word in told]


def photograph(number: int) -> Sample:
    """A smooth picture of 640 x 480 with some grain."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((640, 480), Image.Resampling.BICUBIC), dtype=float)
    pixels += rng.normal(0, 6, pixels.shape)
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return Sample(str(number), lambda: image, str(number))


def opened(path: Path) -> dict[str, float]:
    """Seconds until the page is ready, and until it has found a word, in Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        started = time.perf_counter()
        page.goto(path.as_uri())
        page.wait_for_selector("body[data-ready]")
        ready = time.perf_counter() - started
        page.locator("#gallery-order").select_option("1")
        sorted_by = page.evaluate(TIMED.format("order", "change"))
        page.locator("#gallery-find").evaluate("(box) => { box.value = 'purple' }")
        found = page.evaluate(TIMED.format("find", "input"))
        browser.close()
    return {"ready": ready, "sorted": sorted_by / 1e3, "found": found / 1e3}


TIMED = """() => {{
    const started = performance.now();
    document.getElementById("gallery-{}").dispatchEvent(new Event("{}"));
    return performance.now() - started;
}}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--conditions", type=int, default=20)
    given = parser.parse_args()
    run = made_up(given.samples, given.conditions)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        started = time.perf_counter()
        path.write_text(render([run]), encoding="utf-8")
        written = time.perf_counter() - started
        pictures = sum(len(shown.picture) for shown in run.shown)
        print(
            f"{given.samples} samples x {given.conditions} conditions:"
            f" {path.stat().st_size / 1e6:.1f} MB ({pictures / 1e6:.1f} MB of pictures),"
            f" written in {written:.1f} s"
        )
        for name, seconds in opened(path).items():
            print(f"{name}: {seconds:.2f} s")


if __name__ == "__main__":
    main()
