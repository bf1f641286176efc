"""`import rediff`: what the README's Python does, and what it says when it cannot."""

import doctest
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import rediff
import rediff_eval
from rediff.decoding.registry import SAMPLERS
from rediff.decoding.trace import Step
from rediff_eval.metrics.base import METRICS

ROOT = Path(rediff.__file__).parents[1]
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in (rediff, rediff_eval)
    for path in Path(package.__file__).parent.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def model() -> rediff.LoadedModel:
    return rediff.load("rediff")


def imported_by(start: str, names: set[str]) -> str:
    """Which of some modules Python has imported after a start, printed as a set."""
    code = f"{start}\nimport sys\nprint({names} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "start",
    [
        "import rediff",
        "import rediff_eval",
        "from rediff_eval.cli import cli; cli(['--help'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_imported_before_its_use(start: str) -> None:
    assert imported_by(start, {"torch", "pandas", "numpy"}) == "set()"


def test_a_run_of_embedded_models_imports_what_it_needs(tmp_path: Path) -> None:
    """Neither clients of servers nor training nor readers of data sets: seconds before a run."""
    options = ["--task", "capture", "--limit", "1", "--model", "rediff", "--steps", "5"]
    arguments = ["run", *options, "--out", str(tmp_path)]
    start = f"from rediff_eval.cli import cli; cli({arguments}, standalone_mode=False)"
    assert imported_by(start, {"openai", "datasets", "peft", "pandas"}) == "set()"


def test_captions_made_elsewhere_are_scored_without_a_model_s_libraries(tmp_path: Path) -> None:
    """Metrics with networks of their own import these only where a checkpoint is named."""
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"scenes-test-0-00000": "A red cube lies on the table."}))
    options = ["--task", "capture", "--limit", "1", "--out", str(tmp_path / "scored")]
    start = (
        "from rediff_eval.cli import cli;"
        f" cli(['score', {str(file)!r}, *{options}], standalone_mode=False)"
    )
    assert imported_by(start, {"transformers", "openai", "datasets", "pandas", "scipy"}) == "set()"
    listing = "from rediff_eval.metrics.base import METRICS; list(METRICS)"
    assert imported_by(listing, {"torch", "transformers", "scipy"}) == "set()"


@pytest.mark.parametrize("package", [rediff, rediff_eval])
def test_all_that_is_public_is_there(package: object) -> None:
    for name in package.__all__:  # type: ignore[attr-defined]
        assert getattr(package, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        package.nothing  # type: ignore[attr-defined]  # noqa: B018
    assert (Path(package.__file__).parent / "py.typed").is_file()  # type: ignore[attr-defined]


@pytest.fixture
def registries() -> Iterator[None]:
    """What examples register is forgotten, since its functions die with the example."""
    samplers, metrics = dict(SAMPLERS.loaded()), dict(METRICS.loaded())
    yield
    SAMPLERS.entries, METRICS.entries = samplers, metrics


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_the_examples_of_docstrings_are_true(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_the_public_functions_have_examples() -> None:
    finder = doctest.DocTestFinder()
    found = [
        t for m in WITH_EXAMPLES for t in finder.find(importlib.import_module(m)) if t.examples
    ]
    assert len(found) >= 30


def test_a_picture_a_file_and_a_scene(model: rediff.LoadedModel, tmp_path: Path) -> None:
    scene = rediff.scene(3)
    scene.image.save(tmp_path / "scene.png")
    seen: list[Step] = []
    caption = model.caption(
        scene.image, sampler="refine", steps=10, trace=True, on_step=seen.append
    )
    again = model.caption(tmp_path / "scene.png", sampler="refine", steps=10)
    assert again.text == caption.text
    assert len(caption.text.split()) > 20
    assert caption.trace is not None
    assert len(seen) == caption.nfe == len(caption.trace.tokens)
    assert [int(step.masked.sum()) for step in seen] == sorted(
        (int(step.masked.sum()) for step in seen), reverse=True
    )
    rediff.plot_trace(caption.trace, tmp_path / "trace.png")
    with pytest.raises(ValueError, match="caption with trace=True"):
        rediff.plot_trace(None)
    with Image.open(tmp_path / "trace.png") as picture:
        assert picture.format == "PNG"


def test_a_notebook_shows_what_there_is(model: rediff.LoadedModel) -> None:
    assert repr(model) == "LoadedModel('rediff', diffusion, 80 tokens, sampler refine)"
    caption = model.caption(rediff.scene(3).image, steps=10, trace=True)
    assert caption.trace is not None
    shown = caption.trace._repr_html_()
    assert "<script" not in shown
    assert repr(caption.trace) in shown.replace("&#x27;", "'")
    assert rediff.scene(1)._repr_png_()


def test_questions_samplers_and_prefills(model: rediff.LoadedModel) -> None:
    image = rediff.scene(5).image
    assert model.caption(image, steps=8, sampler="mask-predict").text
    begun = model.caption(image, steps=20, prefill="there is a").text
    assert begun != model.caption(image, steps=20).text
    assert model.caption(image, ask="what is this ?", steps=8).nfe <= 8
    with pytest.raises(ValueError, match="a question first and last"):
        model.caption(image, ask=["what is this ?", "a square ."])


def test_mistakes_are_one_sentence(model: rediff.LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean 'rediff'"):
        rediff.load("redif")
    with pytest.raises(ValueError, match="unknown sampler 'refin'; did you mean 'refine'"):
        model.caption(rediff.scene(0).image, sampler="refin")
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises((ValueError, OSError), match=r"a\.png"):
        model.caption(tmp_path / "a.png")
    with pytest.raises(ValueError, match="from 0 to 9999"):
        rediff.scene(-1)
    with rediff.load("ar") as autoregressive:
        with pytest.raises(ValueError, match="has no denoising steps"):
            autoregressive.caption(rediff.scene(0).image, steps=8)
        assert autoregressive.caption(rediff.scene(0).image).text
