"""What a run would take, before it takes it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from rediff.llm_client.prices import PICTURE_TOKENS, PRICES, Price, dollars, load_prices
from rediff.decoding.registry import find_sampler
from rediff.captioners.base import Caption, Captioner, Decoding
from rediff.captioners.openai import MAX_TOKENS
from rediff_eval.captioning.conditions import Cell, plan_cells
from rediff_eval.captioning.opening import open_captioner
from rediff_eval.prices import judge_cost
from rediff_eval.captioning.models import ModelChoice
from rediff_eval.benchmarks.sample import Sample, SampleSet
from rediff_eval.spec import RunSpec

PROBE = 3
"""Samples that are captioned to see how long it takes."""


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """What one cell takes; None where it cannot be told.

    `passes`: forward passes at most, where the model's steps are its own. `tokens`: written ones
    at most. `dollars`: about what a server charges. `seconds`: by the probe.
    """

    cell: Cell
    samples: int
    passes: int | None
    tokens: int | None
    judge_calls: int
    dollars: float | None
    seconds: float | None


def plan(spec: RunSpec, samples: SampleSet, prices: Path | None = None) -> list[PlannedCell]:
    """What each cell of a run takes. Writes nothing; asks no server for a caption.

    Raises what `run` raises for bad names and data, and ValueError for a broken file of prices.
    """
    table = load_prices(prices or PRICES)
    judged = judge_cost(spec, samples, table)
    planned: list[PlannedCell] = []
    for model in spec.models:
        if model.kind == "openai":
            server = _plan_server(spec, model, samples, table.get(model.where))
            planned.append(_with_judge(server, judged))
            continue
        with closing(open_captioner(model, spec.loading)) as captioner:
            for cell in plan_cells(spec, model, captioner.traits):
                planned.append(_with_judge(_plan_cell(spec, cell, captioner, samples), judged))
    return planned


def _with_judge(cell: PlannedCell, judged: tuple[int, float | None]) -> PlannedCell:
    calls, each = judged
    known = each is not None and cell.dollars is not None
    total = cell.dollars + each * cell.samples if known else None  # type: ignore[operator]
    return replace(cell, judge_calls=calls * cell.samples, dollars=total)


def _plan_cell(spec: RunSpec, cell: Cell, captioner: Captioner, samples: SampleSet) -> PlannedCell:
    traits, count = captioner.traits, len(samples.samples)
    guided = 2 if spec.guidance and traits.takes_samplers else 1
    return PlannedCell(
        cell=cell,
        samples=count,
        passes=None if cell.steps is None else cell.steps * guided * count,
        tokens=None if traits.length is None else traits.length * count,
        judge_calls=0,
        dollars=0.0,
        seconds=_probe(spec, cell, captioner, samples.samples[:PROBE]) * count,
    )


def _plan_server(
    spec: RunSpec, model: ModelChoice, samples: SampleSet, price: Price | None
) -> PlannedCell:
    count = len(samples.samples)
    tokens = (spec.loading.length or MAX_TOKENS) * count
    said = " ".join(text for s in samples.samples for text in s.asked(spec.task.prompt))
    asked = PICTURE_TOKENS * count + 2 * len(said.split())
    return PlannedCell(
        cell=Cell(model.name, "api", None, None),
        samples=count,
        passes=None,
        tokens=tokens,
        judge_calls=0,
        dollars=dollars(price, asked, tokens),
        seconds=None,
    )


def _probe(
    spec: RunSpec, cell: Cell, captioner: Captioner, samples: tuple[Sample, ...]
) -> float:  # fmt: skip
    """Seconds a caption; a picture that cannot be opened takes none."""
    sampler = find_sampler(cell.sampler) if captioner.traits.takes_samplers else None
    opened = [(sample, _opened(sample)) for sample in samples]
    readable = [(sample, image) for sample, image in opened if image is not None]
    if not readable:
        return 0.0
    replies = captioner.caption(
        [image for _, image in readable],
        Decoding(sampler=sampler, steps=cell.steps, guidance=spec.guidance),
        said=[sample.asked(spec.task.prompt) for sample, _ in readable],
        ids=[sample.id for sample, _ in readable],
    )
    return sum(r.seconds for r in replies if isinstance(r, Caption)) / len(replies)


def _opened(sample: Sample) -> Image.Image | None:
    try:
        return sample.open()
    except (ValueError, OSError):
        return None
