"""The numbers of a finished run."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rediff_eval.metrics.base import MetricInfo

if TYPE_CHECKING:
    import pandas as pd

    from rediff_eval.results.stats import Estimate

COLUMNS = (
    "task",
    "model",
    "sampler",
    "steps",
    "tokens_per_step",
    "seed",
    "metric",
    "value",
    "low",
    "high",
    "n",
    "failed",
    "unscored",
    "truncated",
)


TEXTS = frozenset({"task", "data", "model", "sampler", "metric", "id", "table"})
"""Columns of our CSV files that hold text."""
CONDITION_COLUMNS = ("task", "data", "model", "sampler", "steps", "tokens_per_step")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionResult:
    """The metrics of one model with one sampler at one budget.

    `captions`: how many were scored, `truncated` of them without eos. `failures`: errors by sample
    id. `scorers`: the method of each metric. `values`: each metric of each sample of `ids`, nan
    where it has none. `unjudged`: by judged metric and sample id, why it has no verdict;
    `judgements`: the judge's replies. `left_out`: by group of metrics and sample id, what the
    sample lacks to be scored.
    """

    task: str
    data: str
    model: str
    sampler: str
    steps: int | None
    tokens_per_step: float | None
    seed: int
    metrics: Mapping[str, Estimate]
    not_run: Mapping[str, str]
    failures: Mapping[str, str]
    captions: int
    truncated: int
    scorers: Mapping[str, str] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)
    unjudged: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    judgements: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    left_out: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Results:
    """A finished run. `metrics`: how each metric is shown, in the order of tables."""

    manifest: Mapping[str, Any]
    conditions: list[ConditionResult]
    main_metric: str
    metrics: Mapping[str, MetricInfo] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """As plain JSON values, without the values of samples.

        Conditions are called `cells`, as in results of older versions.
        """
        without: dict[str, Any] = {"ids": (), "values": {}, "judgements": {}}
        return {
            "manifest": self.manifest,
            "cells": [asdict(replace(condition, **without)) for condition in self.conditions],
            "main_metric": self.main_metric,
            "metrics": [asdict(info) for info in self.metrics.values()],
        }


def to_csv(results: Results) -> str:
    """Long form: a row for each number; an empty field where it has no interval."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *long_rows(results)])
    return text.getvalue()


def long_rows(results: Results) -> Iterator[tuple[Any, ...]]:
    """The rows of `results.csv`, in the order of `COLUMNS`."""
    for condition in results.conditions:
        for name, estimate in condition.metrics.items():
            yield (
                condition.task,
                condition.model,
                condition.sampler,
                condition.steps,
                _number(condition.tokens_per_step),
                condition.seed,
                name,
                f"{estimate.value:.6g}",
                _number(estimate.low),
                _number(estimate.high),
                estimate.n,
                len(condition.failures),
                condition.captions - estimate.n,
                condition.truncated,
            )


def samples_csv(results: Results) -> Iterator[str]:
    """Wide form, line by line: a row for each sample of a condition, a column for each metric;
    empty without a value."""
    metrics = sorted({name for condition in results.conditions for name in condition.values})
    yield _csv_line([*CONDITION_COLUMNS, "id", *metrics])
    for condition in results.conditions:
        columns = [condition.values.get(name) for name in metrics]
        place = [
            condition.task,
            condition.data,
            condition.model,
            condition.sampler,
            condition.steps,
            _number(condition.tokens_per_step),
        ]
        for row, sample_id in enumerate(condition.ids):
            numbers = (None if column is None else column[row] for column in columns)
            texts = ("" if n is None or math.isnan(n) else _number(n) for n in numbers)
            yield _csv_line([*place, sample_id, *texts])


def _csv_line(values: Sequence[object]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def read_csv(path: Path, columns: Collection[str] | None = None) -> pd.DataFrame:
    """A CSV of ours: names and ids stay the text that they are, `NA` and `007` too; all other
    columns are numbers, nan where they are empty.

    Args:
        path: of the file.
        columns: only these of those that it has, so that a large file takes little memory; None for
            all.

    Raises:
        ValueError: naming the file and column of a value that is not a number.
    """
    import pandas as pd

    numbers = [name for name in csv_columns(path) if name not in TEXTS]
    frame = pd.read_csv(
        path,
        usecols=lambda name: columns is None or name in columns,
        dtype=dict.fromkeys(TEXTS, str),
        keep_default_na=False,
        na_values={name: [""] for name in numbers},
        float_precision="round_trip",
        low_memory=False,
    )
    for name in frame.columns.intersection(numbers):
        if frame[name].dtype.kind not in "iuf":
            _refuse(path, name, frame[name])
    return frame


def csv_columns(path: Path) -> list[str]:
    """The columns of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file), [])


def _refuse(path: Path, name: str, values: pd.Series) -> None:
    """Raises ValueError for the first value that is not a number."""
    import pandas as pd

    texts = values.dropna().astype(str)
    wrong = texts[pd.to_numeric(texts, errors="coerce").isna()]
    raise ValueError(f"{path}: {name} is not a number: {wrong.iloc[0]!r}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
