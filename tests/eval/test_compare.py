"""Comparisons as they are asked for: a baseline, filters, equal passes, several trainings."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import inside, program

from rediff_eval.cli.sheets import FORMS
from rediff_eval.results.paired import Difference
from rediff_eval.results.two_levels import two_level
from rediff_eval.views.compare import Asked, Comparison, compare
from rediff_eval.views.compare_sheet import arms_sheet, as_sheet
from rediff_eval.views.conditions import comparable, conditions_of
from rediff_eval.views.layouts import Form, Sheet, lay_out
from rediff_eval.views.trainings import by_arm

HOSTILE = "a_b & <b>50%</b> $x^2$ #{~} \\input{x} | *y*"
rng = np.random.default_rng(0)


def crossed(k: int, n: int, spread: tuple[float, float, float], mean: float = 0.0) -> Any:
    """Differences of k trainings on n samples: spread of trainings, samples and the rest."""
    sizes = ((k, 1), (1, n), (k, n))
    return mean + sum(s * rng.normal(size=size) for s, size in zip(spread, sizes, strict=True))


def between(found: Difference, truth: float = 0.0) -> bool:
    return found.low <= truth <= found.high


@pytest.mark.parametrize("spread", [(1.0, 1.0, 1.0), (0.0, 1.0, 1.0), (1.0, 0.1, 3.0)])
@pytest.mark.parametrize("k", [3, 5])
def test_intervals_over_seeds_and_scenes_cover(k: int, spread: tuple[float, float, float]) -> None:
    draws = [crossed(k, 40, spread, 0.3) for _ in range(600)]
    covered = np.mean([between(two_level(d, d * 0, by_training=True), 0.3) for d in draws])
    assert 0.92 <= covered <= 0.995


def hierarchical_bootstrap(
    difference: np.ndarray, *, seed: int = 0, resamples: int = 2000
) -> tuple[float, float]:
    """The percentile interval of the mean where trainings and samples are drawn with replacement.

    Args:
        difference: of k trainings on n samples, float64 [k, n].
        seed: of the draws.
        resamples: how many.
    """
    rng = np.random.default_rng(seed)
    k, n = difference.shape
    trainings = rng.multinomial(k, np.full(k, 1 / k), size=resamples) / k
    samples = rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n
    means = np.einsum("rk,kn,rn->r", trainings, difference, samples, optimize=True)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def test_a_plain_bootstrap_of_three_trainings_is_too_narrow() -> None:
    """Why `two_level` takes Student's t."""
    draws = [crossed(3, 40, (1.0, 1.0, 1.0)) for _ in range(200)]
    covered = [low <= 0 <= high for low, high in (hierarchical_bootstrap(d) for d in draws)]
    assert np.mean(covered) < 0.9


def test_trainings_of_no_base_in_common_are_not_pairs() -> None:
    found = 0
    for _ in range(400):
        one, two = crossed(4, 30, (1.0, 1.0, 0.5)), crossed(3, 30, (0.3, 0.0, 0.5))
        found += between(two_level(one, two, by_training=False))
    assert 0.91 <= found / 400 <= 0.995


@given(st.integers(2, 5), st.integers(2, 20), st.integers(0, 99), st.booleans())
@settings(deadline=None)
def test_two_levels_are_antisymmetric_and_keep_the_mean(
    k: int, n: int, seed: int, by_training: bool
) -> None:
    one, two = np.random.default_rng(seed).normal(size=(2, k, n))
    there, back = (two_level(*pair, by_training=by_training) for pair in ((one, two), (two, one)))
    assert there.difference == pytest.approx((one - two).mean())
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p == pytest.approx(back.p)
    assert (there.p < 0.05) == (not between(there))
    assert two_level(one, one, by_training=True).p == 1.0


def test_one_training_has_no_second_level() -> None:
    for one, two, by_training in ((1, 1, True), (5, 1, False), (1, 5, False)):
        with pytest.raises(ValueError, match="two trainings of each"):
            two_level(np.zeros((one, 5)), np.zeros((two, 5)), by_training=by_training)
    once = frame(**{"x-0": 0.5, "x-1": 0.5, "y-0": 0.4})
    with pytest.raises(ValueError, match="samples and two trainings each"):
        compare(once, Asked(by_seed=True))
    others = frame(**{"z-0": 0.5, "z-1": 0.5})
    found = compare(pd.concat([once, others]), Asked(by_seed=True))
    assert titles(found) == [("x s", "z s", "8"), ("x s", "z s", "4")]


def frame(**means: float) -> pd.DataFrame:
    """Values of 30 samples for models at 8 and 4 steps, which take 8 and 4 passes."""
    scenes = np.random.default_rng(1).normal(scale=0.05, size=30)
    rows = [
        {
            "task": "t", "data": "d", "run": "r", "scorer": "", "sampler": "s", "model": model,
            "id": str(i), "steps": steps, "passes": steps, "value": mean - 0.1 / steps + scene,
        }
        for model, mean in means.items()
        for steps in (8.0, 4.0)
        for i, scene in enumerate(scenes)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def titles(found: list[Comparison]) -> list[tuple[str, str, str]]:
    return [(c.a, c.b, c.steps) for c in found]


def test_a_baseline_and_filters() -> None:
    values = frame(a=0.5, b=0.4, c=0.3)
    assert len(compare(values)) == 6
    found = compare(values, Asked(baseline="b", models=("a", "c"), steps=(4,)))
    assert titles(found) == [("a s", "b s", "4"), ("c s", "b s", "4")]
    assert [round(c.difference, 3) for c in found] == [0.1, -0.1]
    assert all(c.p_holm <= 2 * c.p for c in found)  # corrected for two, not for six


def test_a_baseline_without_budgets_is_held_against_all() -> None:
    values = frame(a=0.5, ar=0.4)
    one = (values["model"] == "ar") & (values["steps"] == 4)
    values = values[(values["model"] != "ar") | one]
    assert titles(compare(values, Asked(baseline="ar"))) == [
        ("a s", "ar s at 4 steps", "8"), ("a s", "ar s", "4"),
    ]  # fmt: skip
    values.loc[one, "steps"] = np.nan
    assert titles(compare(values, Asked(baseline="ar"))) == [
        ("a s", "ar s", "8"), ("a s", "ar s", "4"),
    ]  # fmt: skip


def test_equal_passes() -> None:
    values = frame(a=0.5, b=0.5)
    ended = (values["model"] == "a") & (values["steps"] == 8)
    values.loc[ended, "passes"] = 4.0
    eight, four = compare(values, Asked(baseline="b", match="passes"))
    assert eight.difference == pytest.approx(0.1 / 4 - 0.1 / 8)
    assert four.difference == pytest.approx(0)
    with pytest.raises(ValueError, match="name one by --baseline"):
        compare(values, Asked(match="passes"))


def test_trainings_are_one_condition() -> None:
    names = {"x-0": 0.5, "x-1": 0.52, "x-2": 0.51, "y-0": 0.4, "y-1": 0.43, "y-2": 0.41}
    found = compare(frame(**names), Asked(by_seed=True))
    assert titles(found) == [("x s", "y s", "8"), ("x s", "y s", "4")]
    assert found[0].trainings == (3, 3)
    assert found[0].difference == pytest.approx(0.0967, abs=1e-3)
    apart = compare(frame(**names), Asked(by_seed=True, paired_seeds=False))
    assert apart[0].high - apart[0].low > found[0].high - found[0].low
    sheet = as_sheet(found, "m")
    assert sheet.rows[0][3] == "3 pairs"
    assert as_sheet(apart, "m").rows[0][3] == "3, 3"
    assert sheet.rows[0][5].endswith("*")


def test_trainings_are_compared_by_the_seeds_that_both_have() -> None:
    """What a base gives to both arms of its seed cancels, also where one has more seeds."""
    bases = [0.5, 0.3, 0.6, 0.9, 0.1]
    names = {f"x-{k}": base + 0.01 for k, base in enumerate(bases)}
    names |= {f"y-{k}": base for k, base in enumerate(bases[:3])}
    (found, _) = compare(frame(**names), Asked(by_seed=True))
    assert (found.trainings, found.paired_seeds) == ((3, 3), True)
    assert (found.difference, found.high - found.low) == pytest.approx((0.01, 0), abs=1e-9)
    (apart, _) = compare(frame(**names), Asked(by_seed=True, paired_seeds=False))
    assert (apart.trainings, apart.paired_seeds) == ((5, 3), False)
    values = frame(**names)
    row = arms_sheet(conditions_of(by_arm(values)), "m").rows[0]
    of_x = values[values["model"].str.startswith("x") & values["steps"].eq(8)]["value"]
    assert row[:4] == ["x s", "8", "0 1 2 3 4", f"{of_x.mean():.4f}"]
    assert row[6] == "0.8000"


def test_arms_of_two_data_sets_stay_apart() -> None:
    """Their samples may have the same ids."""
    names = {"x-0": 0.5, "x-1": 0.6, "y-0": 0.4, "y-1": 0.45}
    values = pd.concat([frame(**names).assign(data=data) for data in ("d", "e")])
    groups = list(comparable(by_arm(values)))
    assert [len(arms_sheet(arms, "m").rows) for arms in groups] == [4, 4]
    assert (
        titles(compare(values, Asked(by_seed=True)))
        == [("x s", "y s", "8"), ("x s", "y s", "4")] * 2
    )


def test_seeds_of_run_folders() -> None:
    values = pd.concat([frame(x=0.5, y=0.4).assign(run=f"seed-{k}") for k in (0, 1)])
    found = compare(values, Asked(by_seed=True))
    assert titles(found)[0] == ("x s", "y s", "8")
    assert found[0].trainings == (2, 2)
    with pytest.raises(ValueError, match="measured twice"):
        by_arm(pd.concat([frame(**{"x-1": 0.5}).assign(run=run) for run in ("one", "two")]))
    with pytest.raises(ValueError, match="no seed in the name of x"):
        by_arm(frame(x=0.5))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(models=("aa",)), "unknown model 'aa'; did you mean 'a'"),
        (Asked(steps=(5,)), "unknown steps '5'; there are: 8, 4"),
        (Asked(baseline="q"), "unknown baseline 'q'"),
        (Asked(baseline="a:mask"), "unknown sampler of the baseline 'mask'"),
    ],
)
def test_what_nothing_has_is_named(asked: Asked, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compare(frame(a=0.5, b=0.4), asked)


def test_one_condition_alone_is_named() -> None:
    values = frame(a=0.5)
    with pytest.raises(ValueError, match="nothing to compare a s with"):
        compare(values[values["steps"] == 8])
    elsewhere = frame(b=0.5).assign(sampler="q")
    with pytest.raises(ValueError, match="no condition has that model, that sampler"):
        compare(pd.concat([values, elsewhere]), Asked(models=("a",), samplers=("q",)))
    other = values[values["steps"] == 8].assign(task="u")
    with pytest.raises(ValueError, match="no two conditions have the same task"):
        compare(pd.concat([values[values["steps"] == 8], other]))
    with pytest.raises(ValueError, match="no two conditions have the same task"):
        compare(values)


@pytest.mark.parametrize("form", ["md", "html", "latex"])
def test_hostile_names_are_text_in_every_form(form: Form) -> None:
    sheet = Sheet(HOSTILE, ["model", "50%"], [[HOSTILE, "1 ± 2"]], bold=frozenset({(0, 1)}))
    text = lay_out(sheet, form)
    assert "<b>50%" not in text
    assert {"md": "**1 ± 2**", "html": "<b>1 ± 2</b>", "latex": r"\textbf{1 $\pm$ 2}"}[form] in text
    if form == "latex":
        assert r"a\_b \& $<$b$>$50\%$<$/b$>$ \$x\textasciicircum{}2\$ \#" in text
        assert r"\textbackslash{}input" in text
        assert text.count("{") == text.count("}")


def test_every_form_from_the_command_line(
    tmp_path: Path, untrained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = untrained / "diffusion"
    inside(
        "run", "--task", "capture", "--limit", "4", "--steps", "8,4", "--out", str(tmp_path),
        "--model", f"{model}:refine", "--model", f"{model}:mask-predict",
    )  # fmt: skip
    base = ("compare", str(tmp_path), "--metric", "bleu4", "--baseline", "diffusion:mask-predict")
    capsys.readouterr()
    shown = {}
    for form in FORMS:
        inside(*base, "--format", form, "--steps", "4")
        shown[form] = capsys.readouterr().out
    assert [row["steps"] for row in json.loads(shown["json"])] == ["4"]
    assert shown["csv"].count("\n") == 2
    assert "\\toprule" in shown["latex"]
    assert all("after Holm's correction" in shown[form] for form in ("table", "md", "latex"))
    assert "Holm&#x27;s correction" in shown["html"]
    refused = program(*base, "--match", "passes", "--sampler", "refin", ok=2)
    assert "did you mean 'refine'" in refused
