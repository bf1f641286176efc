"""`rediff-eval serve`: models served by OpenAI's chat protocol, and a page to watch them write."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any

import click

from rediff_eval.cli.options import loading_options, plugin_option, tell, to_loading

if TYPE_CHECKING:
    from rediff_eval.serving.settings import ServerSettings


@click.command(short_help="Serve models by OpenAI's protocol, and a page.")
@click.option(
    "--model",
    "models",
    multiple=True,
    default=("rediff",),
    show_default=True,
    metavar="NAME[:SAMPLER]",
    help="Model, repeatable (see `list models`).",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port; 0 for any free one.",
)
@click.option(
    "--api-key-env",
    help="Environment variable of the key that requests must bring; needed beyond loopback.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="Denoising steps of a request that names none; default: one a token.",
)
@click.option("--allow-urls", "urls", is_flag=True, help="Fetch pictures from http addresses.")
@click.option(
    "--batch-size",
    "batch",
    default=16,
    show_default=True,
    type=click.IntRange(min=1),
    help="Requests that are decoded side by side, at most.",
)
@click.option(
    "--wait",
    default=0.02,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds that a request waits for others.",
)
@click.option(
    "--queue",
    default=64,
    show_default=True,
    type=click.IntRange(min=1),
    help="Requests of a model that may wait; more are answered 429.",
)
@loading_options
@plugin_option
def serve(models: tuple[str, ...], api_key_env: str | None, **options: Any) -> None:
    """Serve models by OpenAI's chat protocol, and a page on which captions are watched.

    Sampler and steps are extra fields of a request.
    """
    from rediff.captioners.sources import SCENES_ONLY, find_model, knows_scenes_only
    from rediff.io.quiet import quiet_libraries
    from rediff.loaded import LoadedModel
    from rediff_eval.serving.settings import ServerSettings

    check_extra()
    names = ("host", "port", "steps", "urls", "batch", "wait", "queue")
    given = {name: options.pop(name) for name in names}
    settings = ServerSettings(key=read_key(api_key_env), **given)
    quiet_libraries()
    loading = to_loading(options)
    sources = [find_model(name, loading) for name in models]
    if len({source.name for source in sources}) < len(sources):
        raise ValueError("each --model needs a name of its own: requests choose samplers")
    for source in sources:
        if knows_scenes_only(source):
            tell(f"{source.name} {SCENES_ONLY}")
    with contextlib.ExitStack() as opened:
        loaded = [opened.enter_context(LoadedModel(s, s.open())) for s in sources]
        _run(loaded, settings)


def read_key(variable: str | None) -> str | None:
    """The key in an environment variable. Raises ValueError if that is not set."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ValueError(f"--api-key-env: the environment has no {variable}")
    return key


def check_extra() -> None:
    """Raises ValueError with the line to install, if the libraries of a server are missing."""
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("starlette", "uvicorn", "prometheus_client")):
        raise ValueError("`serve` needs a web server: pip install 'rediff[serve]'")


def _run(loaded: list[Any], settings: ServerSettings) -> None:
    import uvicorn

    from rediff_eval.serving.app import make_app
    from rediff_eval.serving.models import Served

    class Announced(uvicorn.Server):
        """Says where it is once it listens."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            assert sockets is not None
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            address = f"http://{host}:{sockets[0].getsockname()[1]}"
            click.echo(f"Serving at {address}/v1, to be watched at {address}/, Ctrl-C ends.")

    app = make_app([Served(model, settings.steps) for model in loaded], settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=round(settings.grace),
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it once all is done
        Announced(config).run(sockets=[config.bind_socket()])
