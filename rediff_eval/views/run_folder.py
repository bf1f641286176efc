"""The files of a finished run.

`results.json` (all numbers and their origin), `results.csv` (long form), `samples.csv` (each
sample's values), `captions.jsonl`, `judgements.jsonl` (a judge's replies, or why there are none),
`leaderboard.md`, `quality.png` (quality against tokens per step), `front.png` (against passes and
operations).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rediff.io.files import replace as write
from rediff_eval.captioning.outcome import Outcome
from rediff_eval.results.finished import (
    CAPTIONS,
    FRONT,
    JUDGEMENTS,
    LEADERBOARD,
    NUMBERS,
    QUALITY,
    RESULTS,
    SAMPLES,
)
from rediff_eval.results.numbers import Results, samples_csv, to_csv
from rediff_eval.views.plots import plot_front, plot_quality
from rediff_eval.views.tables import to_markdown


def write_results(results: Results, outcomes: Iterable[Outcome], folder: Path) -> None:
    """Writes all files of a finished run, each completely or not at all.

    Args:
        results: the numbers.
        outcomes: the answers, in the same order of conditions.
        folder: where; the plot is only drawn where budgets differ.
    """
    lines = (json.dumps(row) + "\n" for outcome in outcomes for row in caption_rows(outcome))
    write(folder / CAPTIONS, lines)
    for stale in (JUDGEMENTS, QUALITY, FRONT):
        (folder / stale).unlink(missing_ok=True)
    if any(condition.judgements or condition.unjudged for condition in results.conditions):
        write(folder / JUDGEMENTS, (json.dumps(row) + "\n" for row in judgement_rows(results)))
    write(folder / SAMPLES, samples_csv(results))
    write(folder / NUMBERS, to_csv(results))
    write(folder / LEADERBOARD, to_markdown(results))
    ranked = [c for c in results.conditions if results.main_metric in c.metrics]
    if len({condition.tokens_per_step for condition in ranked} - {None}) > 1:
        picture = io.BytesIO()
        plot_quality(results, picture)
        write(folder / QUALITY, picture.getvalue())
    if len(ranked) > 1:
        picture = io.BytesIO()
        if plot_front(results, picture):
            write(folder / FRONT, picture.getvalue())
    write(folder / RESULTS, json.dumps(results.to_record(), indent=2) + "\n")


def caption_rows(outcome: Outcome) -> Iterator[dict[str, Any]]:
    """The lines of `captions.jsonl`: the condition, the sample's id, and its answer or error.

    `said`: the sample's own dialogue, where it has one in place of the task's prompt.
    """
    condition = asdict(outcome.condition)
    for sample, answer in zip(outcome.samples, outcome.answers, strict=True):
        asked = {"said": sample.dialogue} if sample.dialogue else {}
        yield {**condition, "id": sample.id, **asked, **answer.to_record()}
    for sample_id, error in outcome.failures.items():
        yield {**condition, "id": sample_id, "error": error}


def judgement_rows(results: Results) -> Iterator[dict[str, Any]]:
    """The lines of `judgements.jsonl`: a condition's sample, a metric, and the verdict or the
    reason why there is none."""
    for condition in results.conditions:
        place = {name: getattr(condition, name) for name in ("model", "sampler", "steps")}
        for metric, verdicts in condition.judgements.items():
            for sample_id, verdict in verdicts.items():
                yield {**place, "id": sample_id, "metric": metric, **verdict}
        for metric, failures in condition.unjudged.items():
            for sample_id, reason in failures.items():
                yield {**place, "id": sample_id, "metric": metric, "failed": reason}
