"""The files of a finished run.

`results.json` (all numbers and what made them), `results.csv` (long form), `samples.csv` (each
sample's values), `captions.jsonl`, `judgements.jsonl` (what a judge said, or why it did not),
`leaderboard.md`, `quality.png`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rediff.io.files import check_finished
from rediff.io.files import replace as write
from rediff_eval.results.numbers import Results, to_csv, to_samples_csv
from rediff_eval.views.tables import to_markdown

if TYPE_CHECKING:
    from rediff_eval.metrics.scoring import Outcome

CAPTIONS = "captions.jsonl"
JUDGEMENTS = "judgements.jsonl"
QUALITY = "quality.png"


def write_results(results: Results, outcomes: Sequence[Outcome], folder: Path) -> None:
    """Writes all files, each whole or not at all; the picture only where budgets differ."""
    slim = replace(
        results,
        cells=[replace(cell, ids=(), values={}, judgements={}) for cell in results.cells],
    )
    lines = (json.dumps(row) + "\n" for outcome in outcomes for row in caption_rows(outcome))
    write(folder / CAPTIONS, "".join(lines))
    for stale in (JUDGEMENTS, QUALITY):
        (folder / stale).unlink(missing_ok=True)
    if judged := "".join(json.dumps(row) + "\n" for row in judgement_rows(results)):
        write(folder / JUDGEMENTS, judged)
    write(folder / "samples.csv", to_samples_csv(results))
    write(folder / "results.csv", to_csv(results))
    write(folder / "leaderboard.md", to_markdown(results))
    ranked = [cell for cell in results.cells if results.main_metric in cell.metrics]
    if len({cell.tokens_per_step for cell in ranked} - {None}) > 1:
        from rediff_eval.views.plots import plot_quality

        picture = io.BytesIO()
        plot_quality(results, picture)
        write(folder / QUALITY, picture.getvalue())
    write(folder / "results.json", json.dumps(asdict(slim), indent=2) + "\n")


def caption_rows(outcome: Outcome) -> Iterator[dict[str, Any]]:
    """The lines of `captions.jsonl`: the cell, the sample's id, and what was asked of it alone with
    its answer, or its error."""
    cell = asdict(outcome.cell)
    for sample, answer in zip(outcome.samples, outcome.answers, strict=True):
        said = {"said": sample.said} if sample.said else {}
        yield {**cell, "id": sample.id, **said, **answer.to_record()}
    for sample_id, error in outcome.failures.items():
        yield {**cell, "id": sample_id, "error": error}


def judgement_rows(results: Results) -> Iterator[dict[str, Any]]:
    """The lines of `judgements.jsonl`: a cell's sample, a metric, and the verdict or the reason why
    there is none."""
    for cell in results.cells:
        place = {name: getattr(cell, name) for name in ("model", "sampler", "steps")}
        for metric, said in cell.judgements.items():
            for sample_id, verdict in said.items():
                yield {**place, "id": sample_id, "metric": metric, **verdict}
        for metric, failures in cell.unjudged.items():
            for sample_id, reason in failures.items():
                yield {**place, "id": sample_id, "metric": metric, "failed": reason}


def read_captions(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of a finished run's captions. Raises FileNotFoundError for any other folder."""
    check_finished(folder, "results.json", CAPTIONS)
    with (folder / CAPTIONS).open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
