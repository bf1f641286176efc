"""The best setting of each sampler in a run, as a grid's file that `run` takes."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from programs import inside

from rediff_eval.captioning.grid import Grid
from rediff_eval.views.choices import Choice, choose, to_grid
from rediff_eval.views.samples import load_samples

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@pytest.fixture(scope="module")
def run(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("choose") / "run"
    inside(
        "run", "--task", "capture-validation", "--limit", "5", "--model", untrained / "diffusion",
        "--steps", "8,2", "--sampler", "mask-predict", "--sampler", "t2m,below=0.1|0.5,times=1|3",
        "--out", folder,
    )  # fmt: skip
    return folder


def test_it_has_the_highest_mean_of_each_sampler(run: Path, tmp_path: Path) -> None:
    """Against a plain loop over the table; the grid has models and budgets of the run."""
    table = load_samples([run], ["capture"])
    means: dict[str, float] = {}
    for setting in dict.fromkeys(table["sampler"]):
        parts = [
            np.mean([v for s, k, v in zip(*(table[c] for c in ("sampler", "steps", "capture")),
                                          strict=True) if (s, k) == (setting, steps)])
            for steps in (8, 2)
        ]  # fmt: skip
        means[setting] = float(np.mean(parts))
    (others,) = ({s: m for s, m in means.items() if s.startswith("t2m")},)
    found = choose([run], "capture")
    assert [choice.tried for choice in found] == [1, 4]
    assert found[0].setting == "mask-predict"
    assert found[1].mean == pytest.approx(max(others.values()))
    assert means[found[1].setting] == pytest.approx(found[1].mean)
    inside("choose", run, "--out", tmp_path / "grid.yaml")
    grid = Grid.load(tmp_path / "grid.yaml")
    assert grid.samplers == tuple(choice.setting for choice in found)
    assert (grid.models, grid.steps) == (("diffusion",), (8, 2))
    inside("choose", run, "--steps", "40,5", "--model", "rediff", "--out", tmp_path / "grid.yaml")
    grid = Grid.load(tmp_path / "grid.yaml")
    assert (grid.models, grid.steps) == (("rediff",), (40, 5))


def test_settings_of_other_samples_are_not_compared(run: Path, tmp_path: Path) -> None:
    """A sampler whose settings have different budgets; another sampler may have fewer."""
    table = pd.read_csv(run / "samples.csv", dtype=str)
    (tmp_path / "results.json").write_bytes((run / "results.json").read_bytes())
    short = table[(table["sampler"] != "mask-predict") | (table["steps"] == "8")]
    short.to_csv(tmp_path / "samples.csv", index=False)
    assert len(choose([tmp_path], "capture")) == 2
    setting = table["sampler"][table["sampler"].str.startswith("t2m")].iloc[-1]
    short = table[(table["sampler"] != setting) | (table["steps"] == "8")]
    short.to_csv(tmp_path / "samples.csv", index=False)
    with pytest.raises(ValueError, match="not measured with the same models, steps and samples"):
        choose([tmp_path], "capture")
    with pytest.raises(ValueError, match="did you mean 'capture'"):
        choose([run], "captur")
    with pytest.raises(click.BadParameter, match="expected whole numbers"):
        inside("choose", run, "--steps", "many", "--out", tmp_path / "grid.yaml")


@given(st.lists(names, min_size=1), st.lists(names, min_size=1))
@example(["random,seed=1", "no", "a: b", "x #y"], ["openai:gpt-4o", "1.0", "'q'"])
@settings(deadline=None)
def test_names_survive_the_file(samplers: list[str], models: list[str]) -> None:
    """Whatever YAML would make of them."""
    text = to_grid([Choice(s, 0.5, 2) for s in samplers], models, (8,), "capture")
    grid = Grid.model_validate(yaml.safe_load(text))
    assert (list(grid.samplers), list(grid.models)) == (samplers, models)
