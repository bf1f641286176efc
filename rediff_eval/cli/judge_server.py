"""`rediff-eval judge-server`: the oracle on loopback."""

from __future__ import annotations

import click


@click.command("judge-server", short_help="Serve the oracle judge of the embedded scenes.")
@click.option("--scenes", is_flag=True, required=True, help="Judge captions of embedded scenes.")
@click.option(
    "--port",
    default=8399,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port on 127.0.0.1; 0 for any free one.",
)
def judge_server(scenes: bool, port: int) -> None:
    """Serve the oracle judge by OpenAI's chat protocol, on this machine alone.

    Its models are `oracle` and `oracle:RATE`, which errs at that rate.
    """
    from rediff_eval.judging.oracle_server import HOST, make_server

    server = make_server(port)
    click.echo(f"Judging at http://{HOST}:{server.server_port}/v1, Ctrl-C ends.")
    try:
        server.serve_forever()
    finally:
        server.server_close()
