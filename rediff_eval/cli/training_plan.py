"""The table of `rediff-eval train --plan`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rediff_eval.cli.options import tell

if TYPE_CHECKING:
    from rediff.training.recipe import Recipe

GPU, CORE = 400.0, 0.05
"""10^12 operations a second that training gets out of a GPU of 2023 in bfloat16, and out of one
core with a tiny model: for plans alone, `--tflops` says what yours do."""
TINY = 200 * 2**20
"""Bytes of weights below which a model is one for a CPU."""
HEAD = (
    "stage",
    "kind",
    "steps",
    "parameters",
    "trained",
    "tokens",
    "GB a device",
    "hours",
    "calls",
    "dollars",
)


def print_training_plan(
    recipe: Recipe, devices: int, tflops: float | None, only: Sequence[str]
) -> None:
    """Prints the cost of some stages, and the sums."""
    import torch
    from rich.table import Table

    from rediff.training.estimate import plan
    from rediff_eval.views.tables import amount, print_wide

    big = is_big(recipe)
    rate = tflops or (GPU if torch.cuda.is_available() or big else CORE)
    every = plan(recipe, processes=devices, tflops=rate)
    stages = [stage for stage in every if stage.stage in only]
    title = f"plan for {devices} device(s) at {rate:g} TFLOP/s each; nothing of it is measured"
    for assumption in assumptions(recipe, big=big, given=tflops is not None):
        tell(assumption)
    table = Table(title=title)
    for name in HEAD:
        table.add_column(name, justify="left" if name in HEAD[:2] else "right")
    for s in stages:
        memory = None if s.memory is None else s.memory / 1e9
        numbers = (s.steps, s.parameters, s.trained, s.tokens, memory, s.hours, s.calls, s.dollars)
        table.add_row(s.stage, s.kind, *map(amount, numbers))
    table.add_section()
    hours = sum(s.hours or 0.0 for s in stages)
    known = all(s.calls is None or s.dollars is not None for s in stages)
    dollars = sum(s.dollars or 0.0 for s in stages) if known else None
    table.add_row(f"{len(stages)} stages", *[""] * 6, amount(hours), "", amount(dollars))
    print_wide(table)


def is_big(recipe: Recipe) -> bool:
    """Whether the recipe starts from a checkpoint that is not one of our tiny ones; one that
    was not named is taken for LLaDA-V."""
    from rediff.training.stages.checkpoint import CheckpointStage

    starts = [s for s in recipe.stages.values() if isinstance(s, CheckpointStage)]
    return any(start.folder is None or not _is_tiny(Path(start.folder)) for start in starts)


def _is_tiny(folder: Path) -> bool:
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return weights < TINY


def assumptions(recipe: Recipe, *, big: bool, given: bool) -> Iterator[str]:
    """The assumptions of the plan that no option gave."""
    import torch

    from rediff.training.stages.checkpoint import CheckpointStage

    starts = [s for s in recipe.stages.values() if isinstance(s, CheckpointStage)]
    if any(start.folder is None for start in starts):
        yield "no --checkpoint was named, so LLaDA-V's published shape is planned, 8.4B parameters"
    if given:
        return
    if torch.cuda.is_available():
        yield f"{GPU:g} TFLOP/s are assumed of a GPU; --tflops says what yours does"
    elif big:
        yield f"this machine has no GPU: {GPU:g} TFLOP/s of one of 2023 are assumed; see --tflops"
    else:
        yield f"{CORE:g} TFLOP/s are assumed of a core of this machine; --tflops says what it does"
