"""A run folder of millions of captions, without a model: seconds and memory of each thing done to
it.

Eight processes (`--processes`) write made-up captions, as `rediff-eval run` stores them, but
without waiting for the disk after each. Then each thing is done in a process of its own, so that
its peak memory is known: opening the store, asking for every caption whether it is done, waiting
for the last thousand while another process writes them, scoring and writing every file of the run,
ranking, comparing two conditions, and the page. The texts are 60 words and the denoising steps are
counted, not kept. Where several numbers are given, a second table has the power of each by which
the seconds grow: 1 is in proportion.

    python benchmarks/scale.py --conditions 400 --samples 5000    # two million
    python benchmarks/scale.py --conditions 10,20,40 --samples 1000,2000 --processes 1,8
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rediff.captioners.sources import Loading, ModelSource
from rediff.io.part_store import PartStore
from rediff.io.rank import Rank
from rediff_eval.benchmarks.sample import Sample, SampleSet
from rediff_eval.benchmarks.task import Task
from rediff_eval.captioning.answers import Answer, Revisions
from rediff_eval.captioning.caption_store import NAMES, PARTS, StoredCaption
from rediff_eval.captioning.config import CaptioningConfig, Condition
from rediff_eval.captioning.outcome import Outcome, Outcomes
from rediff_eval.captioning.writing import BINS, Writing
from rediff_eval.metrics.config import ScoringConfig
from rediff_eval.metrics.resources import Resources
from rediff_eval.results.manifest import describe_run
from rediff_eval.results.numbers import Results
from rediff_eval.results.scoring import infos_of, main_metric, score_condition
from rediff_eval.views.compare import compare
from rediff_eval.views.leaderboard import load, pivot
from rediff_eval.views.report.collect import load_run
from rediff_eval.views.report.page import render
from rediff_eval.views.run_folder import write_results
from rediff_eval.views.samples import load_values

TEXT = " ".join(f"word{i}" for i in range(60))
TASK = Task(
    name="scale", metrics=("ngram-lite", "revision", "writing", "cost"), main_metric="bleu4"
)
NEWS, PACE = 1000, 0.001
"""Lines of another process, and the seconds between two of them."""
SIZES = ("conditions", "samples", "processes")
NOISE = 0.1
"""Seconds, below which a growth is not shown."""
SOURCE = ModelSource("model0", "captions", __file__, None, Loading())
"""Any file: where the captions are said to come from."""


def conditions_of(count: int) -> list[Condition]:
    """Conditions of ten models, samplers and budgets."""
    return [
        Condition(f"model{i % 10}", f"sampler{i // 10}", 8, 10.0, key=f"condition-{i}")
        for i in range(count)
    ]


def samples_of(count: int) -> SampleSet:
    """Samples without pictures."""

    def no_picture() -> Any:
        raise ValueError("no picture")

    references = (TEXT, TEXT[10:])
    samples = (Sample(f"{i:06}", no_picture, f"d{i}", references) for i in range(count))
    return SampleSet("scale", tuple(samples), "own", Path("no-pictures"))


def line_of(key: StoredCaption, number: int) -> str:
    """A made-up caption as it is stored; each is another."""
    written, confidence = [number % 7] * BINS, [0.5] * BINS
    answer = Answer(
        text=f"{number} {TEXT[number % 50 :]}",
        tokens=60,
        nfe=8,
        seconds=0.1,
        computed=900,
        flops=10**9,
        truncated=False,
        revisions=Revisions(number % 5, 0, 1, 1),
        writing=Writing(0.1 * (number % 10), written, confidence, written, [0] * BINS),
    )
    return json.dumps({**dict(zip(NAMES, key, strict=True)), **answer.to_record()}) + "\n"


def write_part(folder: Path, rank: int, world: int, conditions: int, samples: int) -> None:
    """One process's captions."""
    with (folder / f"rank-{rank}.jsonl").open("w", encoding="utf-8") as file:
        for condition in conditions_of(conditions):
            for i in range(rank, samples, world):
                file.write(line_of(StoredCaption(condition.key, f"{i:06}", f"d{i}"), i))


def opened(folder: Path) -> PartStore:
    return PartStore(folder / PARTS, Rank(index=99, world=100), NAMES)


def keys_of(conditions: int, samples: int) -> Iterator[StoredCaption]:
    for condition in conditions_of(conditions):
        yield from (StoredCaption(condition.key, f"{i:06}", f"d{i}") for i in range(samples))


def open_(folder: Path, conditions: int, samples: int) -> float:
    """Opens the store."""
    start = time.perf_counter()
    with opened(folder):
        return time.perf_counter() - start


def resume(folder: Path, conditions: int, samples: int) -> float:
    """Asks whether each caption is done."""
    with opened(folder) as store:
        start = time.perf_counter()
        assert all(store.look(key) is not None for key in keys_of(conditions, samples))
        return time.perf_counter() - start


def news() -> Iterator[StoredCaption]:
    """The captions that another process makes meanwhile."""
    yield from (StoredCaption("news", f"{i:06}", "d") for i in range(NEWS))


def write_news(path: Path) -> None:
    """The other process: writes a line in each `PACE`."""
    with path.open("a", encoding="utf-8", buffering=1) as file:
        for i, key in enumerate(news()):
            file.write(line_of(key, i))
            time.sleep(PACE)


def wait(folder: Path, conditions: int, samples: int) -> float:
    """Waits for every caption, of which another process writes the last thousand; the seconds
    beyond those that it writes."""
    path = folder / PARTS / "rank-98.jsonl"
    with opened(folder) as store:
        writer = multiprocessing.get_context("fork").Process(target=write_news, args=(path,))
        writer.start()
        start = time.perf_counter()
        keys = itertools.chain(keys_of(conditions, samples), news())
        store.wait_for(keys, timeout=60, pause=0.05)
        took = time.perf_counter() - start
        writer.join()
        assert writer.exitcode == 0
    path.unlink()
    return max(0.0, took - NEWS * PACE)


def score(folder: Path, conditions: int, samples: int) -> float:
    """Scores every condition and writes all files of the run."""
    every = samples_of(samples)
    resources = Resources(config=ScoringConfig())
    with opened(folder) as store:
        start = time.perf_counter()

        def collect(condition: Condition) -> Outcome:
            keys = {s.id: StoredCaption(condition.key, s.id, s.digest) for s in every.samples}
            answers = {i: Answer.from_record(store.get(key) or {}) for i, key in keys.items()}
            return Outcome.of(condition, every.samples, answers)

        outcomes = Outcomes(conditions_of(conditions), collect)
        scored = [score_condition(TASK, every, outcome, resources) for outcome in outcomes]
        manifest = describe_run(
            TASK, every, CaptioningConfig(models=(SOURCE,)), ScoringConfig(), None, (), scored,
            rank=Rank(), seconds=0.0,
        )  # fmt: skip
        results = Results(
            manifest=manifest,
            conditions=scored,
            main_metric=main_metric(TASK, every, scored),
            metrics=infos_of(TASK.metrics, scored),
        )
        write_results(results, outcomes, folder)
        return time.perf_counter() - start


def rank(folder: Path, conditions: int, samples: int) -> float:
    """Ranks all conditions, as `leaderboard` does."""
    start = time.perf_counter()
    assert len(pivot(load([folder]), "bleu4")) > 0
    return time.perf_counter() - start


def compare_two(folder: Path, conditions: int, samples: int) -> float:
    """Compares two conditions, as `compare` does."""
    start = time.perf_counter()
    frame = load_values([folder], "bleu4")
    assert compare(frame[frame["sampler"] == "sampler0"][: 2 * samples])
    return time.perf_counter() - start


def report(folder: Path, conditions: int, samples: int) -> float:
    """Writes the page of a run, as `report` does."""
    start = time.perf_counter()
    assert render([load_run(folder, count=16)])
    return time.perf_counter() - start


STEPS = (open_, resume, wait, score, rank, compare_two, report)


def measured(step: Callable[[Path, int, int], float], *arguments: Any) -> tuple[float, float]:
    """Seconds, and the peak memory in MB of a new process that did it."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_alone, step, arguments).result()


def _alone(step: Callable[..., float], arguments: tuple[Any, ...]) -> tuple[float, float]:
    took = step(*arguments)
    return took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


@dataclass(frozen=True)
class Row:
    """A run folder, and the seconds and MB of each thing done to it."""

    conditions: int
    samples: int
    processes: int
    measures: list[tuple[float, float]]


def growth(rows: Sequence[Row], of: str) -> Iterator[str]:
    """A line for neighbouring rows that differ in one number alone: d log(seconds) / d log(it)."""
    others = [name for name in SIZES if name != of]
    alike: dict[tuple[int, ...], list[Row]] = {}
    for row in rows:
        alike.setdefault(tuple(getattr(row, name) for name in others), []).append(row)
    for fixed, group in alike.items():
        ordered = sorted(group, key=lambda row: int(getattr(row, of)))
        for one, two in itertools.pairwise(ordered):
            low, high = getattr(one, of), getattr(two, of)
            said = ", ".join(f"{n} {name}" for n, name in zip(fixed, others, strict=True))
            powers = [
                f"{math.log(b / a) / math.log(high / low):.2f}" if min(a, b) > NOISE else "–"
                for (a, _), (b, _) in zip(one.measures, two.measures, strict=True)
            ]
            yield f"| {low} to {high} {of}, with {said} | " + " | ".join(powers) + " |"


def main() -> None:
    plain = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--conditions", type=numbers, default=[20])
    parser.add_argument("--samples", type=numbers, default=[1000])
    parser.add_argument("--processes", type=numbers, default=[8])
    parser.add_argument("--without", default="", help="steps to leave out, as in score,rank")
    given = parser.parse_args()
    left_out = given.without.split(",")
    steps = [s for s in STEPS if s.__name__.strip("_") not in left_out]
    names = [step.__name__.strip("_") for step in steps]
    print("| captions | conditions | samples | processes | GB | " + " | ".join(names) + " |")
    print("|---" * (5 + len(names)) + "|")
    grid = itertools.product(given.conditions, given.samples, given.processes)
    rows: list[Row] = []
    for conditions, samples, world in grid:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / PARTS).mkdir()
            with multiprocessing.get_context("spawn").Pool(min(world, 8)) as pool:
                parts = [(folder / PARTS, r, world, conditions, samples) for r in range(world)]
                pool.starmap(write_part, parts)
            size = sum(path.stat().st_size for path in (folder / PARTS).iterdir()) / 1e9
            measures = [measured(step, folder, conditions, samples) for step in steps]
        rows.append(Row(conditions, samples, world, measures))
        count = conditions * samples
        shown = " | ".join(f"{took:.2f} s, {memory:,.0f} MB" for took, memory in measures)
        print(f"| {count:,} | {conditions} | {samples} | {world} | {size:.2f} | {shown} |")
        sys.stdout.flush()
    lines = [line for name in SIZES for line in growth(rows, name)]
    if lines:
        print("\n| seconds grow by the power | " + " | ".join(names) + " |")
        print("|---" * (1 + len(names)) + "|")
        print("\n".join(lines))


if __name__ == "__main__":
    main()
