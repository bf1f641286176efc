"""Intervals cover what they say, paired tests find what is there and nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import inside
from scipy.stats import bootstrap

from rediff_eval.metrics.aggregates import OfSums
from rediff_eval.metrics.base import Scores, ratio
from rediff_eval.metrics.ngram.bleu import corpus_bleu
from rediff_eval.results import resamples
from rediff_eval.results.paired import detectable, holm, mean_interval, paired_p
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


@given(
    st.integers(2, 60),
    st.integers(0, 1000),
    st.sampled_from(["mean", "ratio", "bleu"]),
)
@settings(max_examples=30, deadline=None)
def test_resampled_sums_are_those_of_scipy_s_bootstrap(n: int, seed: int, kind: str) -> None:
    """Whatever is summed first has the interval of an aggregate that scipy resamples itself."""
    rng = np.random.default_rng(seed)
    if kind == "mean":
        scores = Scores.of(rng.random(n).tolist())
    elif kind == "ratio":
        scores = ratio(rng.random(n).tolist(), (1 + rng.random(n)).tolist())
    else:
        terms = rng.integers(1, 20, (n, 10)).astype(np.float64)
        scores = Scores(terms, np.zeros(n), OfSums(corpus_bleu))
    plain = replace(scores, aggregate=lambda statistics: scores.aggregate(statistics))
    fast, slow = estimate(scores, seed=seed), estimate(plain, seed=seed)
    assert (fast.value, fast.n) == (slow.value, slow.n)
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), rel=1e-12)
    values = scores.statistics[:, 0]
    theirs = bootstrap(
        (values,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    assert mean_interval(values, seed) == pytest.approx((theirs.low, theirs.high), rel=1e-12)


def test_a_resample_without_a_value_gives_no_interval() -> None:
    """Of three samples one alone has a whole; some resamples leave it out."""
    found = estimate(ratio([0.0, 0.0, 1.0], [0.0, 0.0, 2.0]))
    assert (found.value, found.low, found.high, found.n) == (0.5, None, None, 3)


def test_many_samples_are_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are drawn in blocks of a few resamples, which are the same resamples."""
    values = np.random.default_rng(0).random((50, 3))
    kept = resamples.resample_sums(values, seed=4)
    before = resamples._kept.cache_info()
    monkeypatch.setattr(resamples, "KEPT", 0)
    monkeypatch.setattr(resamples, "BLOCK", 170)
    assert resamples.resample_sums(values, seed=4) == pytest.approx(kept, rel=1e-12)
    assert resamples._kept.cache_info() == before
    shapes = {block.shape for block in resamples._counts(50, 4)}
    assert shapes == {(3, 50), (2, 50)}


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
