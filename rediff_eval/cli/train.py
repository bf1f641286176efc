"""`rediff-eval train`: run a training recipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rediff_eval.cli.options import plugin_option
from rediff_eval.cli.training_plan import print_training_plan

if TYPE_CHECKING:
    from rediff.training.recipe import Recipe
    from rediff.training.reports import Report, StageReport


@click.command(short_help="Train by a recipe, and print the leaderboard.")
@click.option(
    "--recipe", default="scenes", show_default=True, help="Shipped recipe or a YAML file."
)
@click.option(
    "--out",
    default=Path("train"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the stages' folders.",
)
@click.option(
    "--checkpoint",
    help="The checkpoint of a recipe that starts from one: a folder, a hub id or a known name.",
)
@click.option(
    "--export",
    "exports",
    multiple=True,
    help="Only this export of the recipe and the stages it needs, repeatable.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Where a recipe finds its public data: a mixture (see data check), or pictures with"
    " captions, as of `run`.",
)
@click.option("--expert", help="Model on a server that corrects drafts; default: the recipe's.")
@click.option("--expert-url", help="Address of its server; default: OpenAI's.")
@click.option(
    "--expert-max-tokens", type=click.IntRange(min=1), help="Tokens that its reply may have."
)
@click.option(
    "--expert-key-env", help="Environment variable of its server's key; default: OPENAI_API_KEY."
)
@click.option(
    "--expert-reasoning", is_flag=True, help="It reasons first, and takes no temperature."
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Added to each stage's: another training, for which take another --out.",
)
@click.option("--stage", "stages", multiple=True, help="Only this stage, repeatable.")
@click.option(
    "--jobs",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="Stages side by side, one core each.",
)
@click.option("--plan", is_flag=True, help="Say what each stage would take, and train nothing.")
@click.option(
    "--devices", default=1, show_default=True, type=click.IntRange(min=1), help="For --plan."
)
@click.option(
    "--tflops",
    type=click.FloatRange(min=0, min_open=True),
    help="For --plan: what one device does, in 10^12 operations a second.",
)
@click.option(
    "--tensorboard", is_flag=True, help="Write the losses for TensorBoard, to OUT/tensorboard."
)
@click.option(
    "--limit",
    default=64,
    show_default=True,
    type=click.IntRange(min=1),
    help="Scenes of the closing leaderboard.",
)
@plugin_option
def train(
    recipe: str,
    out: Path,
    checkpoint: str | None,
    data: Path | None,
    exports: tuple[str, ...],
    expert: str | None,
    expert_url: str | None,
    expert_max_tokens: int | None,
    expert_key_env: str | None,
    expert_reasoning: bool,
    seed: int,
    stages: tuple[str, ...],
    jobs: int,
    plan: bool,
    devices: int,
    tflops: float | None,
    tensorboard: bool,
    limit: int,
) -> None:
    """Train what a recipe exports, each stage that is not done yet, then print the leaderboard."""
    from rediff.io.quiet import quiet_libraries
    from rediff.training.distributed import exit_worker, process_group
    from rediff.training.overrides import with_checkpoint, with_data, with_expert, with_seed
    from rediff.training.pipeline import train as train_recipe
    from rediff.training.recipe import Recipe
    from rediff.training.recipe_files import find_recipe

    quiet_libraries()
    loaded = Recipe.load(find_recipe(recipe))
    wanted = exports or (() if stages else tuple(loaded.export))
    loaded = loaded.only(wanted) if wanted else loaded
    loaded.check_names(stages)
    loaded = with_seed(loaded, seed)
    loaded = with_expert(
        loaded,
        expert,
        expert_url,
        reasoning=expert_reasoning,
        max_tokens=expert_max_tokens,
        key_env=expert_key_env,
    )
    folder = None if checkpoint is None else checkpoint_folder(checkpoint)
    loaded = loaded if plan and folder is None else with_checkpoint(loaded, folder)
    loaded = loaded if plan and data is None else with_data(loaded, data)
    chosen = stages or tuple(loaded.stages)
    if plan:
        print_training_plan(loaded, devices, tflops, chosen)
        return
    with watching(chosen, out if tensorboard else None) as tell:
        ran = train_recipe(loaded, out, only=stages or None, jobs=jobs, report=tell)
    if process_group().is_main_process:
        report(loaded, out, ran, stages, limit)
    exit_worker()


def checkpoint_folder(name: str) -> Path:
    """The folder of a model's checkpoint, fetched if need be. Raises ValueError if it has none."""
    from rediff.captioners.sources import find_model

    folder = find_model(name).path()
    if folder is None or not folder.is_dir():
        raise ValueError(f"{name} has no folder of a checkpoint to start from")
    return folder


@contextmanager
def watching(stages: Sequence[str], tensorboard: Path | None) -> Iterator[Report]:
    """Reports the progress of a training to the user, and to TensorBoard if its root is given."""
    from rediff_eval.progress import StageProgress
    from rediff_eval.views.tensorboard import TensorBoardLog

    with StageProgress(stages=stages) as progress, ExitStack() as held:
        events = held.enter_context(TensorBoardLog(tensorboard)) if tensorboard else None

        def tell(report: StageReport) -> None:
            progress(report)
            if events is not None:
                events(report)

        yield tell


def report(
    recipe: Recipe, out: Path, ran: Sequence[str], stages: Sequence[str], limit: int
) -> None:
    """The stages trained, their cost and losses; and, of whole recipes, the leaderboard."""
    from rediff.training.held_out import HELD_OUT
    from rediff.training.pipeline import CHECKPOINTS
    from rediff.training.stages.checkpoint import checkpoint_folders

    click.echo(f"Trained: {', '.join(ran) or 'nothing, all was done'}. Folders in {out}.")
    for line in (*costs_of(out, ran), *unlearnt_of(out, ran)):
        click.echo(line)
    plot_losses_of(out, tuple(stages or recipe.stages))
    if stages:
        return
    made = [out / CHECKPOINTS / name for name in recipe.export]
    held = [out / name / HELD_OUT for name in recipe.stages if (out / name / HELD_OUT).is_file()]
    if held:
        before = map(Path, checkpoint_folders(recipe.stages))
        evaluate("captions", [*before, *made], out / "leaderboard", limit, held[-1])
    else:
        evaluate("capture", made, out / "leaderboard", limit)
        if getattr(recipe.section("scenes"), "questions"):  # noqa: B009
            evaluate("scenes-qa", made, out / "leaderboard-qa", limit)


def costs_of(root: Path, stages: Sequence[str]) -> Iterator[str]:
    """A line for each stage whose expert was on a server: its cost."""
    from rediff.training.draft_records import COST, Cost, read_lines

    for name in stages:
        path = root / name / COST
        for cost in read_lines(path, Cost) if path.is_file() else ():
            if cost.model is not None:
                price = "price not known" if cost.dollars is None else f"${cost.dollars:,.2f}"
                yield (
                    f"{name}: {cost.model}, {cost.calls:,} replies, {cost.tokens_in:,} tokens in,"
                    f" {cost.tokens_out:,} out, {price}"
                )


def unlearnt_of(root: Path, stages: Sequence[str]) -> Iterator[str]:
    """A line for each stage and teacher of whose drafts some could not be learnt."""
    from rediff.training.stages.base import TRUE_ANSWERS

    for name in stages:
        for path in sorted((root / name).glob(f"{TRUE_ANSWERS}-*.txt")):
            number = len(path.read_text(encoding="utf-8").splitlines())
            teacher = path.stem.removeprefix(f"{TRUE_ANSWERS}-")
            yield f"{name}: the true answer was learnt for {number:,} drafts of {teacher}: {path}"


def plot_losses_of(root: Path, stages: tuple[str, ...]) -> None:
    """Draws `losses.png` from the stages' logs."""
    from rediff_eval.views.loss_plot import plot_losses

    if plot_losses(root, stages, root / "losses.png"):
        click.echo(f"Loss curves in {root / 'losses.png'}.")


def evaluate(
    task: str, checkpoints: list[Path], out: Path, limit: int, data: Path | None = None
) -> None:
    """Runs a task on the new checkpoints, or on data of the user's, and prints its table."""
    from rediff.captioners.sources import distinct, find_model
    from rediff_eval.benchmarks.load import DataConfig
    from rediff_eval.benchmarks.task import load_task
    from rediff_eval.captioning.config import CaptioningConfig
    from rediff_eval.evaluate import Evaluation
    from rediff_eval.evaluate import evaluate as run
    from rediff_eval.progress import Progress
    from rediff_eval.views.tables import print_table

    models = distinct([find_model(str(path)) for path in checkpoints])
    evaluation = Evaluation(
        data=DataConfig(task=load_task(task), data=data, limit=limit),
        captioning=CaptioningConfig(models=models),
        folder=out,
    )
    results = run(evaluation, Progress(), again=True)
    assert results is not None
    print_table(results)
