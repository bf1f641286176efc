"""The best setting of each sampler in a run, as a grid's file that `run` takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from programs import inside

from rediff.decoding.registry import SAMPLERS
from rediff_eval.captioning.grid import Grid
from rediff_eval.views.choices import Choice, choose, to_grid
from rediff_eval.views.samples import load_samples

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@pytest.fixture(scope="module")
def run(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four settings of one sampler, one of another, and a model that takes none."""
    folder = tmp_path_factory.mktemp("choose") / "run"
    inside(
        "run", "--task", "capture-validation", "--limit", "5", "--model", untrained / "diffusion",
        "--steps", "8,2", "--sampler", "mask-predict", "--sampler", "t2m,below=0.1|0.5,times=1|3",
        "--model", untrained / "autoregressive", "--out", folder,
    )  # fmt: skip
    return folder


def means_of(run: Path, metric: str) -> dict[str, float]:
    """The mean of the two budgets' means, by setting, in a plain loop."""
    table, means = load_samples([run], [metric]), {}
    columns = [table[name] for name in ("sampler", "steps", metric)]
    for setting in dict.fromkeys(table["sampler"]):
        values = {8: [], 2: []}  # type: dict[int, list[float]]
        for sampler, steps, value in zip(*columns, strict=True):
            if sampler == setting and steps in values:
                values[steps].append(value)
        means[setting] = sum(sum(found) / 5 for found in values.values()) / 2
    return means


@pytest.mark.parametrize(("metric", "best"), [("capture", max), ("hallucination", min)])
def test_it_has_the_best_mean_of_each_sampler(run: Path, metric: str, best: Any) -> None:
    means = means_of(run, metric)
    found = choose([run], metric, SAMPLERS)
    assert [choice.tried for choice in found] == [1, 4]
    assert found[0].setting == "mask-predict"
    for choice in found:
        name = choice.setting.partition(",")[0]
        assert choice.mean == pytest.approx(means[choice.setting])
        assert choice.mean == pytest.approx(
            best(mean for setting, mean in means.items() if setting.startswith(name))
        )


def test_its_file_is_a_grid_that_runs(run: Path, untrained: Path, tmp_path: Path) -> None:
    path, model = tmp_path / "chosen.yaml", untrained / "diffusion"
    command = ("choose", run, "--model", model, "--steps", "4,2", "--out", path)
    inside(*command)
    chosen = [choice.setting for choice in choose([run], "capture", SAMPLERS)]
    assert list(Grid.load(path).samplers) == chosen
    inside("run", "--task", "capture-validation", "--limit", "1", "--grid", path,
           "--out", tmp_path / "test")  # fmt: skip
    table = load_samples([tmp_path / "test"], [])
    found = set(zip(table["sampler"], table["steps"], strict=True))
    assert found == {(setting, steps) for setting in chosen for steps in (4, 2)}
    with pytest.raises(ValueError, match=r"chosen.yaml is there already"):
        inside(*command)


def test_settings_with_other_captions_are_not_compared(run: Path, tmp_path: Path) -> None:
    """Of one sampler; another may have fewer budgets."""
    table = pd.read_csv(run / "samples.csv", dtype=str)
    (tmp_path / "results.json").write_bytes((run / "results.json").read_bytes())
    short = table[(table["sampler"] != "mask-predict") | (table["steps"] == "8")]
    short.to_csv(tmp_path / "samples.csv", index=False)
    assert len(choose([tmp_path], "capture", SAMPLERS)) == 2
    with pytest.raises(ValueError, match="a condition of mask-predict was measured twice"):
        choose([run, tmp_path], "capture", SAMPLERS)
    setting = table["sampler"][table["sampler"].str.startswith("t2m")].iloc[-1]
    short = table[(table["sampler"] != setting) | (table["steps"] == "8")]
    short.to_csv(tmp_path / "samples.csv", index=False)
    with pytest.raises(ValueError, match=f"{setting} lacks 5 of 10 captions"):
        choose([tmp_path], "capture", SAMPLERS)
    with pytest.raises(ValueError, match="did you mean 'capture'"):
        choose([run], "captur", SAMPLERS)
    with pytest.raises(ValueError, match="no value of capture by a sampler that is known"):
        choose([run], "capture", ["another"])


def test_the_test_split_is_not_for_choosing(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = json.loads((run / "results.json").read_text())
    results["manifest"]["task"]["scenes"]["split"] = "test"
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "samples.csv").write_bytes((run / "samples.csv").read_bytes())
    inside("choose", tmp_path, "--model", "rediff", "--steps", "8", "--out", tmp_path / "c.yaml")
    assert "is of the test split" in capsys.readouterr().err


@given(st.lists(names, min_size=1), st.lists(names, min_size=1))
@example(["random,seed=1", "no", "a: b", "x #y"], ["openai:gpt-4o", "1.0", "'q'"])
@settings(deadline=None)
def test_names_survive_the_file(samplers: list[str], models: list[str]) -> None:
    """Whatever YAML would make of them."""
    text = to_grid([Choice(s, 0.5, 2) for s in samplers], models, (8,), "capture")
    grid = Grid.model_validate(yaml.safe_load(text))
    assert (list(grid.samplers), list(grid.models)) == (samplers, models)
