"""Options that several verbs share, and their values as configurations."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rediff.captioners.sources import Loading
    from rediff_eval.benchmarks.load import DataConfig
    from rediff_eval.metrics.config import ScoringConfig

LOADING = (
    click.option("--device", help="Device, e.g. cuda:1; default: the first GPU, else the CPU."),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "bfloat16", "float16", "stored"]),
        help="Of the weights; default: the model's own on a GPU, float32 on a CPU.",
    ),
    click.option("--device-map", help="Spread the model over devices, e.g. auto."),
    click.option(
        "--max-tokens",
        type=click.IntRange(min=1),
        help="Tokens of a caption at most, a diffusion model's canvas; default: the model's own.",
    ),
    click.option(
        "--compile",
        "compiled",
        is_flag=True,
        help="Compile the text model of a diffusion checkpoint: seconds to minutes, then quicker.",
    ),
    click.option("--model-seed", default=0, show_default=True, help="Seed of models that draw."),
    click.option("--trust-remote-code", is_flag=True, help="Run code that comes with the model."),
    click.option("--base-url", help="Address of the server of openai: models."),
    click.option(
        "--key-env",
        default="OPENAI_API_KEY",
        show_default=True,
        help="Environment variable of that server's key.",
    ),
)
CAPTIONED = (
    click.option(
        "--model",
        "models",
        multiple=True,
        metavar="NAME[:SAMPLER]",
        help="Model, repeatable (see `list models`); default: every shipped model.",
    ),
    click.option(
        "--sampler",
        "samplers",
        multiple=True,
        metavar="NAME[,OPTION=VALUE...]",
        help="Sampler, repeatable (see `list samplers`); several values, as in OPTION=1|2, are a"
        " grid. Default: each model's own.",
    ),
    click.option("--steps", help="Denoising steps, comma-separated; default: the task's budgets."),
    click.option(
        "--grid",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="YAML file with models, samplers and steps, in place of these options.",
    ),
    click.option(
        "--guidance", default=0.0, show_default=True, help="Scale of classifier-free guidance."
    ),
)
MEASURED = (
    click.option(
        "--task",
        "task_name",
        required=True,
        help="Benchmark, e.g. capture, or the YAML file of a task of your own.",
    ),
    click.option(
        "--limit", type=click.IntRange(min=1), help="Number of samples; default: the task's."
    ),
    click.option("--seed", default=0, show_default=True, help="Seed of the bootstrap."),
    click.option(
        "--data",
        type=click.Path(path_type=Path),
        help="Your own images: a folder, JSON lines, CSV, COCO's annotations, parquet, or a hub"
        " data set; with references.",
    ),
    click.option(
        "--data-dir",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Folder of the benchmark's own data; default: $REDIFF_EVAL_DATA/TASK if it exists.",
    ),
)
SCORING = (
    click.option("--judge", help="Judge model; oracle or oracle:ERROR-RATE on scenes."),
    click.option(
        "--judge-url", "judge_base_url", help="Address of the judge's server; default: OpenAI's."
    ),
    click.option(
        "--judge-concurrency",
        type=click.IntRange(min=1),
        help="Calls to the judge at once; default: 8.",
    ),
    click.option(
        "--judge-rate",
        "judge_per_minute",
        type=click.FloatRange(min=0, min_open=True),
        help="Calls to the judge a minute, at most.",
    ),
    click.option(
        "--judge-timeout",
        type=click.FloatRange(min=0.1),
        help="Seconds for one call; default: 120.",
    ),
    click.option(
        "--judge-retries",
        type=click.IntRange(min=0),
        help="Retries of a call that failed; default: 6.",
    ),
    click.option(
        "--judge-batch",
        is_flag=True,
        default=None,
        help="Ask through the batch API, at half the price.",
    ),
    click.option(
        "--judge-max-tokens",
        type=click.IntRange(min=1),
        help="Tokens that a reply of the judge may have; default: what each metric asks for.",
    ),
    click.option(
        "--judge-key-env", help="Environment variable of the judge's key; default: OPENAI_API_KEY."
    ),
    click.option(
        "--judge-cache",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of paid replies; default: ~/.cache/rediff-eval/judge.",
    ),
    click.option(
        "--preset",
        default="corrected",
        show_default=True,
        type=click.Choice(["corrected", "official"]),
        help="Score as the official programs were meant to, or exactly as they do.",
    ),
    click.option(
        "--capmas-prompts",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Checkout of CapMAS whose prompts to use instead of our own.",
    ),
    click.option(
        "--caparena-prompts",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Checkout of CapArena whose prompts to use instead of our own.",
    ),
    click.option("--factual", help="FACTUAL's parser for CAPTURE: a folder or hub id."),
    click.option("--encoder", help="CAPTURE's sentence encoder: a folder or hub id."),
)
FLAGS = {
    "base_url": "url",
    "per_minute": "rate",
    "max_tokens": "max-tokens",
    "key_env": "key-env",
}
"""Fields of a judge's configuration whose options have another name."""


def measured_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that choose the task, its samples, and the seed of the bootstrap."""
    return _with(verb, MEASURED)


def captioned_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say which models caption, with which samplers and budgets."""
    return _with(verb, CAPTIONED)


def to_data(task: str, limit: int | None, data: Path | None, data_dir: Path | None) -> DataConfig:
    """The data that the options of `measured_options` choose. Raises as `load_task`."""
    from rediff_eval.benchmarks.load import DataConfig
    from rediff_eval.benchmarks.task import load_task

    return DataConfig(task=load_task(task), limit=limit, data=data, data_dir=data_dir)


def scoring_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say how captions are scored, and by whom."""
    return _with(verb, SCORING)


def to_scoring(options: dict[str, Any], *, seed: int, device: str | None = None) -> ScoringConfig:
    """The configuration of `scoring_options`, which are taken out of `options`.

    Raises ValueError for options of a judge that was not named.
    """
    from rediff.llm_client.server import ServerSpec
    from rediff_eval.metrics.config import ScoringConfig

    asked = {
        name.removeprefix("judge_"): value
        for name in list(options)
        if name.startswith("judge_") and (value := options.pop(name)) is not None
    }
    names = ("preset", "capmas_prompts", "caparena_prompts", "factual", "encoder")
    settings = {name: options.pop(name) for name in names}
    model = options.pop("judge")
    judge = None if model is None else ServerSpec(model=model, **asked)
    if asked and judge is None:
        name = next(iter(asked))
        raise ValueError(f"--judge-{FLAGS.get(name, name)} needs --judge, the model that judges")
    return ScoringConfig(**settings, judge=judge, seed=seed, device=device)


def loading_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say how a model is loaded."""
    return _with(verb, LOADING)


def to_loading(options: dict[str, Any]) -> Loading:
    """The configuration of `loading_options`, which are all of `options`.

    Raises:
        ValueError: for a device that this machine does not have.
    """
    from rediff.captioners.sources import Loading, check_device

    seed = options.pop("model_seed")
    loading = Loading(**options, seed=seed)
    check_device(loading.device)
    return loading


def plugin_option(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--plugin`, and loads the plug-ins that are named, installed, or in the environment.

    Processes that the verb starts find the named ones in the environment.
    """
    return click.option(
        "--plugin",
        multiple=True,
        metavar="FILE_OR_MODULE",
        expose_value=False,
        callback=_load_plugins,
        help="Code that registers samplers, captioners or metrics, repeatable. It is run.",
    )(verb)


def _load_plugins(context: click.Context, option: click.Parameter, names: Sequence[str]) -> None:
    from rediff.plugins import PLUGINS, load_plugins

    named = [str(Path(name).resolve()) if name.endswith(".py") else name for name in names]
    before = [name for name in os.environ.get(PLUGINS, "").split(os.pathsep) if name]
    if missing := [name for name in named if name not in before]:
        os.environ[PLUGINS] = os.pathsep.join([*before, *missing])
    load_plugins()


def tell(note: str) -> None:
    """Writes a note for the reader of the output to standard error."""
    from rediff_eval.sanitize import plain

    click.echo(plain(f"Note: {note}"), err=True)


def _with(verb: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    for option in reversed(options):
        verb = option(verb)
    return verb


def parse_steps(text: str | None) -> tuple[int, ...]:
    """`"80,20"` -> (80, 20). Raises click.BadParameter for anything but positive whole numbers."""
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter(
            f"{text!r}: expected whole numbers like 80,40,20", param_hint="--steps"
        )
    return tuple(dict.fromkeys(int(part) for part in parts))
