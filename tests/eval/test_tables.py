"""The closing table at every width: whole, the main metric with its interval, the best marked."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from rediff_eval.metrics.base import MetricInfo
from rediff_eval.results.numbers import ConditionResult, Results
from rediff_eval.results.stats import Estimate
from rediff_eval.views.best import best_of_budgets
from rediff_eval.views.tables import fitting, print_table, to_terminal

NAMES = ("capture", "coverage", "hallucination", "fluency", "nfe", "seconds")
LONG = "train-0/checkpoints/rediff-with-a-name-as-long-as-names-of-folders-are"


def condition(model: str, tokens: float | None, mean: float, sampler: str = "refine") -> Any:
    rng = np.random.default_rng(0)
    noise = rng.normal(scale=0.02, size=50)
    values = {name: (mean + noise).tolist() for name in NAMES}
    steps = None if tokens is None else int(80 / tokens)
    return ConditionResult(
        task="capture", data="scenes", model=model, sampler=sampler, steps=steps,
        tokens_per_step=tokens, seed=0, not_run={}, failures={}, captions=50, truncated=0,
        metrics={name: Estimate(mean, mean - 0.01, mean + 0.01, 50) for name in NAMES},
        ids=tuple(map(str, range(50))), values=values,
    )  # fmt: skip


def results(*conditions: Any) -> Results:
    manifest = {
        "task": {"name": "capture"}, "data": {"name": "scenes", "samples": 50}, "timing": {},
        "seed": 0, "command": "run",
    }  # fmt: skip
    infos = {name: MetricInfo(name) for name in NAMES}
    return Results(manifest, list(conditions), "capture", infos)


RUN = results(
    condition("rediff", 4.0, 0.95), condition("rediff", 8.0, 0.90),
    condition(LONG, 4.0, 0.90, "repair,draft=0.25,rounds=3,parts=4,most=0.3"),
    condition(LONG, 8.0, 0.905, "repair,draft=0.25,rounds=3,parts=4,most=0.3"),
    condition("ar", None, 0.97, "greedy"),
)  # fmt: skip


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_table_is_whole_at_every_width(width: int) -> None:
    marked = best_of_budgets(RUN)
    metrics = fitting(RUN, width, marked)
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(to_terminal(RUN, metrics, marked))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    assert text.count("[0.") == 5, "each condition's interval"
    names = "".join(line.split("│")[1].strip() for line in lines if line.startswith("│"))
    assert names.count(LONG) == 2, "long names take further lines"


def test_more_room_shows_more_metrics() -> None:
    short = results(*(replace(c, model="m", sampler="s") for c in RUN.conditions))
    shown = [len(fitting(short, width)) for width in (80, 100, 140, 400)]
    assert shown == sorted(shown)
    assert shown[0] >= 1
    assert shown[-1] == len(NAMES)


def test_in_a_pipe_and_what_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    print_table(RUN)
    said = capsys.readouterr().out
    table = [line for line in said.splitlines() if line[:1] in "┏┃┡│├└"]
    assert max(map(len, table)) <= 120
    assert "* best of its budget" in said
    assert "No room for" in said
    monkeypatch.setenv("COLUMNS", "200")
    print_table(RUN)
    wide = [line for line in capsys.readouterr().out.splitlines() if line[:1] in "┏┃┡│├└"]
    assert 120 < max(map(len, wide)) <= 200


def test_the_best_of_each_budget_and_its_ties() -> None:
    rng = np.random.default_rng(1)
    jittered = condition("tied", 4.0, 0.9499)
    values = np.array(jittered.values["capture"]) + rng.normal(scale=0.01, size=50)
    tied = replace(jittered, values={"capture": values.tolist()})
    run = results(*RUN.conditions, tied)
    assert best_of_budgets(run) == {0, 3, 5}, "clear at 4 but for a tie; at 8 the long name"
    lower = replace(run, metrics={"capture": MetricInfo("capture", lower_is_better=True)})
    assert best_of_budgets(lower) == {1, 2}
    bare = [replace(c, values={}, ids=()) for c in RUN.conditions]
    assert best_of_budgets(results(*bare)) == {0, 3}
    assert best_of_budgets(results(RUN.conditions[0])) == frozenset()
