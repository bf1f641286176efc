"""Samplers against each model's default: the arithmetic on made-up numbers, and a whole arena."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import inside, program

from rediff_eval.results.equal_passes import at_passes
from rediff_eval.results.paired import mean_interval, paired_p
from rediff_eval.results.simultaneous import simultaneous_halves
from rediff_eval.views.arena import Contender, contenders, verdict
from rediff_eval.views.arena_writing import STATISTICS

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_sampler.py"
passes = st.floats(1, 100)


@given(st.dictionaries(passes, st.floats(0, 1), min_size=1, max_size=5), passes)
def test_the_default_sampler_is_read_between_its_budgets(
    curve: dict[float, float], at: float
) -> None:
    found = at_passes({p: np.array([q]) for p, q in curve.items()}, at)
    known = sorted(curve)
    near = min(known, key=lambda p: max(p / at, at / p))
    if max(near / at, at / near) <= 1.05:
        assert found[0] == curve[near]
    else:
        expected = np.interp(np.log2(at), np.log2(known), [curve[p] for p in known])
        assert found[0] == pytest.approx(expected, abs=1e-6)


def test_intervals_hold_together() -> None:
    """Of 200 draws of 8 means of 40 numbers nearly all lie within all their intervals at once;
    within intervals for one mean at a time they would in two of three draws."""
    rng, held = np.random.default_rng(0), 0
    for draw in range(200):
        values = rng.normal(size=(40, 8))
        halves = simultaneous_halves(values, seed=draw)
        held += bool((np.abs(values.mean(axis=0)) <= halves).all())
    assert 0.88 * 200 <= held <= 0.99 * 200


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_more_conditions_make_wider_intervals(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(30, 6))
    alone = [simultaneous_halves(values[:, [i]], seed=1)[0] for i in range(6)]
    assert (simultaneous_halves(values, seed=1) >= np.array(alone) - 1e-12).all()
    assert (simultaneous_halves(np.full((30, 2), 0.5)) == 0).all()


def contender(model: str, sampler: str, steps: int, difference: float, p: float) -> Contender:
    return Contender(
        model=model, sampler=sampler, steps=steps, n=9, quality=0.5, half=0.1, passes=float(steps),
        gflop=None, default=False, difference=difference, low=0.0, high=0.0, p=p, p_holm=p,
        outside=False, front=False, front_gflop=False,
    )  # fmt: skip


def test_a_verdict_names_the_budgets() -> None:
    found = [
        contender("one", "a", 8, 0.1, 0.01), contender("one", "a", 40, 0.2, 0.04),
        contender("two", "a", 8, -0.1, 0.001), contender("two", "a", 40, 0.3, 0.2),
        contender("two", "b", 8, 0.3, 0.5), contender("one", "c", 40, 0.3, 0.01),
        contender("one", "c", 20, -0.3, 0.01), contender("one", "c", 8, -0.3, 0.01),
        replace(contender("two", "own", 8, 0.0, 1.0), default=True),
        replace(contender("two", "c", 40, 0.3, 0.01), outside=True),
        contender("two", "c", 8, 0.3, 0.5), contender("two", "d", 8, 0.3, 0.01),
    ]  # fmt: skip
    assert verdict(found, "a", "one") == "better everywhere"
    assert verdict(found, "a", "two") == "worse at 8"
    assert verdict(found, "b", "two") == "no difference"
    assert verdict(found, "b", "one") == "not measured"
    assert verdict(found, "c", "one") == "better at 40; worse at 20, 8"
    assert verdict(found, "c", "two") == "better at ~40"
    assert verdict(found, "d", "two") == "better at 8"
    assert verdict(found, "own", "two") == "the default"


@pytest.fixture(scope="module")
def run(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid with a sampler of a plug-in, which the package does not know."""
    folder = tmp_path_factory.mktemp("arena")
    grid = folder / "grid.yaml"
    grid.write_text(
        f"models: [{untrained / 'diffusion'}]\n"
        "steps: [16, 4]\n"
        "samplers: [mask-predict, 'leftmost,window=4|16']\n"
    )
    program(
        "run", "--task", "capture-validation", "--limit", "6", "--grid", grid,
        "--plugin", EXAMPLE, "--out", folder / "run",
    )  # fmt: skip
    return folder / "run"


def test_a_plug_in_joins_the_arena(run: Path, tmp_path: Path) -> None:
    told = program("arena", run, "--out", tmp_path)
    rows = list(csv.DictReader((tmp_path / "arena.csv").open()))
    samplers = ["mask-predict", "leftmost,window=4", "leftmost,window=16"]
    assert {(row["sampler"], row["steps"]) for row in rows} == {
        (sampler, steps) for sampler in samplers for steps in ("16", "4")
    }
    page = (tmp_path / "arena.md").read_text()
    for sampler in samplers:
        assert sampler.replace("_", "\\_") in page
        assert sampler in told
    assert "| sampler | diffusion |" in page.split("## Verdicts")[1]
    assert (tmp_path / "arena.png").read_bytes().startswith(b"\x89PNG")
    default = [row for row in rows if row["default"] == "True"]
    assert {row["sampler"] for row in default} == {"mask-predict"}
    assert all(float(row["difference"]) == 0 for row in default)


def test_an_arena_says_how_each_writes(run: Path, tmp_path: Path) -> None:
    """As the run's own numbers do, all in a file, those of the middle budget on the page."""
    program("arena", run, "--out", tmp_path)
    numbers = {
        (row["sampler"], row["steps"], row["metric"]): float(row["value"])
        for row in csv.DictReader((run / "results.csv").open())
    }
    rows = list(csv.DictReader((tmp_path / "writing.csv").open()))
    assert len(rows) == 6
    for row in rows:
        found = {name: float(row[name]) for name in STATISTICS if row[name]}
        known = {name: numbers.get((row["sampler"], row["steps"], name)) for name in STATISTICS}
        assert found == pytest.approx({n: v for n, v in known.items() if v is not None}, abs=1e-5)
        assert {"commits_per_pass", "certainty", "revisions", "flips"} <= set(found)
    page = (tmp_path / "arena.md").read_text()
    assert "How they write, at 16 steps:" in page
    for sampler in ("mask-predict", "leftmost,window=4"):
        shown = f"{numbers[sampler, '16', 'commits_per_pass']:.2f}"
        assert f"| {sampler} | {shown} |" in page


def test_contenders_against_plain_loops(run: Path) -> None:
    """The differences once more, from the run's table of samples."""
    samples = list(csv.DictReader((run / "samples.csv").open()))

    def column(sampler: str, steps: int, name: str) -> list[float]:
        wanted = (sampler, steps)
        rows = [r for r in samples if (r["sampler"], int(float(r["steps"]))) == wanted]
        return [float(r[name]) for r in sorted(rows, key=lambda r: r["id"])]

    found = contenders([run], "capture", {"diffusion": "mask-predict"})
    assert len(found) == 6
    every = {(c.sampler, c.steps): column(c.sampler, c.steps, "capture") for c in found}
    halves = simultaneous_halves(np.array([*every.values()]).T)
    assert sorted(c.half for c in found) == pytest.approx(sorted(halves))
    means = {s: float(np.mean(column("mask-predict", s, "nfe"))) for s in (4, 16)}
    best, budgets = -1.0, dict[int, list[tuple[float, float]]]()
    for one in sorted(found, key=lambda c: (c.passes, -c.quality)):
        mine = column(one.sampler, one.steps, "capture")
        low, high = column("mask-predict", 4, "capture"), column("mask-predict", 16, "capture")
        at = np.clip(np.mean(column(one.sampler, one.steps, "nfe")), means[4], means[16])
        share = np.log2(at / means[4]) / np.log2(means[16] / means[4])
        reference = [(1 - share) * a + share * b for a, b in zip(low, high, strict=True)]
        assert one.quality == pytest.approx(np.mean(mine))
        assert one.difference == pytest.approx(np.mean(mine) - np.mean(reference))
        assert one.front == (one.quality > best)
        best = max(best, one.quality)
        work = np.mean(column(one.sampler, one.steps, "gflop"))
        assert one.gflop == pytest.approx(work)
        others = [c for c in found if c is not one and c.gflop is not None and c.gflop <= work]
        assert one.front_gflop == all(c.quality < one.quality for c in others)
        assert one.outside == (not means[4] / 1.05 <= one.passes <= means[16] * 1.05)
        if not one.default:
            assert one.p == paired_p(np.array(mine), np.array(reference))
            assert (one.low, one.high) == mean_interval(np.array(mine) - np.array(reference), 0)
            budgets.setdefault(one.steps, []).append((one.p, one.p_holm))
    for tests in budgets.values():
        low, high = sorted(tests)
        assert low[1] == pytest.approx(min(1.0, 2 * low[0]))
        assert high[1] == pytest.approx(max(low[1], high[0]))


def test_what_cannot_be_compared_is_said(run: Path, tmp_path: Path) -> None:
    error = program("arena", run, "--default", "diffusion:gated", "--out", tmp_path, ok=2)
    assert "no captions by diffusion's default sampler, gated" in error
    with pytest.raises(click.BadParameter, match="expected MODEL:SAMPLER"):
        inside("arena", run, "--default", "gated")
    with pytest.raises(ValueError, match="did you mean 'capture'"):
        inside("arena", run, "--metric", "captur")
    with pytest.raises(ValueError, match="hallucination is better when it is lower"):
        inside("arena", run, "--metric", "hallucination")
    again = tmp_path / "again"
    shutil.copytree(run, again)
    with pytest.raises(ValueError, match="diffusion was measured twice with mask-predict"):
        inside("arena", run, again)
    table = again / "samples.csv"
    table.write_text(table.read_text().replace("scenes-1-validation", "other"))
    with pytest.raises(ValueError, match=r"several data sets: scenes-1-validation.*, other"):
        inside("arena", run, again)


def test_a_sampler_alone_is_held_against_nothing(untrained: Path, tmp_path: Path) -> None:
    asked = ("run", "--task", "capture", "--limit", "2", "--model", untrained / "diffusion")
    inside(*asked, "--sampler", "mask-predict", "--steps", "4", "--out", tmp_path / "alone")
    with pytest.raises(ValueError, match="no sampler but each model's default"):
        inside("arena", tmp_path / "alone", "--out", tmp_path / "arena")
    assert not (tmp_path / "arena").exists()


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("models: [rediff]\nsampler: [refine]\n", [], "did you mean 'samplers'"),
        ("models: [rediff]\nsamplers: []\n", [], "samplers"),
        ("models: [rediff]\nsamplers: [refin]\n", [], "did you mean 'refine'"),
        ("models: [rediff]\nsamplers: [refine]\nsteps: [0]\n", [], "steps"),
        ("models: [rediff]\nsamplers: [refine]\n", ["--model", "base"], "--model and --grid"),
        ("models: [rediff]\nsamplers: [refine]\n", ["--sampler", "t2m"], "--sampler and --grid"),
        ("models: [rediff]\nsamplers: [refine]\n", ["--steps", "4"], "--steps and --grid"),
    ],
)
def test_mistakes_in_a_grid(tmp_path: Path, text: str, options: list[str], message: str) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text(text)
    assert message in program("run", "--task", "capture", "--grid", grid, *options, ok=2)
