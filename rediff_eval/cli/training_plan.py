"""The table of `rediff-eval train --plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rediff.training.recipe import Recipe

GPU, CORE = 400.0, 0.05
"""10^12 operations a second that training gets out of a GPU of 2023 in bfloat16, and out of one
core with a tiny model: for plans alone, `--tflops` says what yours do."""
HEAD = (
    "stage", "kind", "steps", "parameters", "trained", "tokens", "GB a device", "hours", "calls",
    "dollars",
)  # fmt: skip


def print_training_plan(recipe: Recipe, devices: int, tflops: float | None) -> None:
    """Prints what each stage takes, and the sums."""
    import torch
    from rich.table import Table

    from rediff.training.plan import plan
    from rediff_eval.tables import amount, print_wide

    rate = tflops or (GPU if torch.cuda.is_available() or _is_big(recipe) else CORE)
    stages = plan(recipe, processes=devices, tflops=rate)
    title = f"plan for {devices} device(s) at {rate:g} TFLOP/s each; nothing of it is measured"
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


def _is_big(recipe: Recipe) -> bool:
    """Whether the recipe starts from a checkpoint, which then is no tiny one of ours."""
    return any(stage.kind == "checkpoint" for stage in recipe.stages.values())
