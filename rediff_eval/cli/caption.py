"""`rediff-eval caption`: describe one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rediff_eval.cli.options import loading_options, plugin_option, tell, to_loading

if TYPE_CHECKING:
    import PIL.Image

    from rediff.decoding.trace import Trace
    from rediff.scenes.world import Scene


@click.command(short_help="Describe one picture, or one embedded scene.")
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--model", default="rediff", show_default=True, help="Shipped model or folder.")
@click.option("--sampler", help="Sampler; default: the model's own.")
@click.option(
    "--steps", type=click.IntRange(min=1), help="Denoising steps; default: 4 tokens a step."
)
@click.option("--prefill", help="The beginning of an answer, which the model continues or revises.")
@click.option(
    "--guidance", default=0.0, show_default=True, help="Scale of classifier-free guidance."
)
@click.option(
    "--ask",
    "dialogue",
    multiple=True,
    help="What to ask instead of a caption; in a dialogue once for each question and answer.",
)
@click.option("--trace", is_flag=True, help="Play the denoising steps.")
@click.option(
    "--delay",
    default=0.25,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds between played steps on a terminal.",
)
@click.option(
    "--movie",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the denoising steps as a moving picture, .webp or .gif.",
)
@loading_options
@plugin_option
def caption(
    image: Path,
    model: str,
    sampler: str | None,
    steps: int | None,
    prefill: str | None,
    dialogue: tuple[str, ...],
    guidance: float,
    trace: bool,
    delay: float,
    movie: Path | None,
    **loading: Any,
) -> None:
    """Describe IMAGE, a picture file, or `scene:N` for the N-th embedded test scene."""
    from rich.console import Console

    from rediff.captioners.sources import SCENES_ONLY, find_model, knows_scenes_only
    from rediff.io.quiet import quiet_libraries
    from rediff.loaded import LoadedModel
    from rediff_eval.sanitize import plain
    from rediff_eval.views.movie import save_movie
    from rediff_eval.views.trace_player import play

    quiet_libraries()
    source = find_model(model, to_loading(loading))
    picture, scene = load_picture(str(image))
    if scene is None and knows_scenes_only(source):
        tell(f"{source.name} {SCENES_ONLY}")
    with LoadedModel(source, source.open()) as loaded:
        able = loaded.captioner.capabilities
        if steps is None and able.takes_steps:
            steps = able.steps or max(1, (able.length or 4) // 4)
        result = loaded.caption(
            picture,
            ask=dialogue or None,
            sampler=sampler,
            steps=steps,
            prefill=prefill,
            guidance=guidance,
            trace=trace or movie is not None,
            name=image.name,
        )
        title = f"{source.name} ({sampler or source.sampler or able.sampler})"
    steps_of = None if result.trace is None else told(result.trace, scene, dialogue)
    if trace and steps_of is not None:
        play(steps_of, Console(), delay=delay, budget=steps)
    if movie is not None:
        assert steps_of is not None
        movie.parent.mkdir(parents=True, exist_ok=True)
        save_movie(steps_of, picture, movie, title=title)
    click.echo(plain(result.text))
    counts = [f"{result.tokens} tokens", f"{result.nfe} forward passes"]
    if result.tokens is None or result.nfe is None:
        counts = []
    click.echo(f"({', '.join([*counts, f'{result.seconds:.2f} s'])})", err=True)


def told(trace: Trace, scene: Scene | None, dialogue: tuple[str, ...]) -> dict[str, Any]:
    """The denoising steps as runs store them, with the true words where the truth is known."""
    from rediff.data.dialogue import CAPTION_PROMPT
    from rediff.scenes.questions import read_question
    from rediff_eval.captioning.answers import history, true_words

    truth = None
    if scene is not None and (not dialogue or read_question(dialogue) is not None):
        truth = true_words(trace.words[-1], scene, dialogue or (CAPTION_PROMPT,))
    return history(trace, truth)


def load_picture(name: str) -> tuple[PIL.Image.Image, Scene | None]:
    """The named file, or the embedded test scene of `scene:N`, whose truth is known.

    Raises ValueError or OSError.
    """
    from rediff.data.images import open_image
    from rediff.scenes.example import scene

    if not name.startswith("scene:"):
        return open_image(Path(name)), None
    number = name.removeprefix("scene:")
    if not number.isdecimal():
        raise ValueError(f"{name!r}: expected a number after 'scene:'")
    found = scene(int(number))
    return found.image, found.scene
