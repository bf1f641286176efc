"""Intervals cover what they say, paired tests find what is there and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import inside

from rediff_eval.metrics.base import Scores, ratio
from rediff_eval.results.paired import detectable, holm, paired_p
from rediff_eval.results.stats import estimate
from rediff_eval.views.compare import compare
from rediff_eval.views.samples import load_values

RUNS = 1000


def test_95_percent_intervals_cover_93_to_97_percent() -> None:
    """Of skewed scores in [0, 1], as CAPTURE's are, on as many samples as a small run has."""
    rng = np.random.default_rng(0)
    a, b, n = 6.0, 1.5, 200
    covered = 0
    for run in range(RUNS):
        result = estimate(Scores.of(rng.beta(a, b, n).tolist()), seed=run)
        assert result.low is not None
        assert result.high is not None
        covered += result.low <= a / (a + b) <= result.high
    assert 0.93 <= covered / RUNS <= 0.97


def test_intervals_of_a_ratio_of_sums_cover_too() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for run in range(RUNS):
        wholes = rng.poisson(6, 300)
        result = estimate(ratio(rng.binomial(wholes, 0.3).tolist(), wholes.tolist()), seed=run)
        assert result.low is not None
        assert result.high is not None
        covered += result.low <= 0.3 <= result.high
    assert 0.93 <= covered / RUNS <= 0.97


def test_p_values_of_no_difference_are_uniform() -> None:
    rng = np.random.default_rng(2)
    ps = [paired_p(rng.normal(size=40), rng.normal(size=40), seed=i) for i in range(120)]
    assert 0.01 <= np.mean(np.asarray(ps) < 0.05) <= 0.1
    assert 0.4 < np.mean(ps) < 0.6


def test_the_detectable_difference_is_detected_four_times_of_five() -> None:
    rng = np.random.default_rng(3)
    n, found = 50, 0
    size = detectable(rng.normal(size=100_000)) * np.sqrt(100_000 / n)
    for run in range(200):
        one = rng.normal(size=n) + size
        found += paired_p(one, np.zeros(n), seed=run) < 0.05
    assert 0.72 <= found / 200 <= 0.88


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([1.0]) == [1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_only_raises_and_keeps_the_order(ps: list[float]) -> None:
    corrected = holm(ps)
    assert all(p <= q <= 1 for p, q in zip(ps, corrected, strict=True))
    order = np.argsort(ps, kind="stable")
    assert (np.diff(np.asarray(corrected)[order]) >= 0).all() if ps else corrected == []


@pytest.fixture(scope="module")
def runs(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name in ("a", "b"):
        inside(
            "run", "--task", "capture", "--limit", "8", "--steps", "8,4", "--out", folder / name,
            "--model", f"{untrained / 'diffusion'}:refine",
            "--model", f"{untrained / 'diffusion'}:mask-predict",
        )  # fmt: skip
    return folder / "a", folder / "b"


def test_identical_runs_give_p_1(runs: tuple[Path, Path]) -> None:
    found = compare(load_values(runs, "bleu4"))
    same = [c for c in found if c.a.rpartition(": ")[2] == c.b.rpartition(": ")[2]]
    assert len(same) == 4
    for comparison in same:
        assert (comparison.p, comparison.p_holm, comparison.difference) == (1.0, 1.0, 0.0)
        assert comparison.n == 8


def test_cells_of_one_run_are_compared_at_each_budget(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    found = compare(load_values(runs[:1], "bleu4"))
    assert [(c.a, c.b, c.steps) for c in found] == [
        ("diffusion refine", "diffusion mask-predict", "8"),
        ("diffusion refine", "diffusion mask-predict", "4"),
    ]
    capsys.readouterr()
    inside("compare", str(runs[0]), "--metric", "bleu4")
    assert "diffusion mask-predict" in capsys.readouterr().out


def test_wrong_runs_and_metrics_are_named(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean 'bleu4'"):
        load_values(runs, "bleu")
    with pytest.raises(FileNotFoundError, match="is not a finished run"):
        load_values([tmp_path], "bleu4")
    frame = load_values(runs[:1], "bleu4")
    with pytest.raises(ValueError, match="no two conditions"):
        compare(frame[frame["sampler"] == "refine"])
