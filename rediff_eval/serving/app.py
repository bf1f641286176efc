"""The server's routes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from rediff_eval.serving.batching import Batcher, LeftError
from rediff_eval.serving.chat import read_body
from rediff_eval.serving.live import (
    EVENTS,
    choices,
    event,
    live_caption,
    page,
    page_part,
    scene_picture,
)
from rediff_eval.serving.measures import Measures
from rediff_eval.serving.models import Served
from rediff_eval.serving.problems import RequestError
from rediff_eval.serving.requests import check_key, read_json, while_listening
from rediff_eval.serving.server import Pending, Server
from rediff_eval.serving.settings import LOOPBACK_NAMES, ServerSettings

ALIVE = 5.0
"""Seconds between the comments of a stream that waits."""
Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Server, Request], Awaitable[Response]]
OPENERS = 4
"""Pictures that are opened at once."""
CLOSED_REQUEST = 499
"""The status that is counted for a client that left."""


def make_app(models: Sequence[Served], settings: ServerSettings) -> Starlette:
    """The server as an ASGI application.

    Args:
        models: opened; they are not closed.
        settings: the limits.
    """
    measures = Measures()
    batchers = {
        model.name: Batcher(
            model.loaded.captioner, settings, partial(measures.count_batch, model.name)
        )
        for model in models
    }
    for name, batcher in batchers.items():
        measures.watch(name, batcher)
    server = Server(models, batchers, settings, measures, asyncio.Semaphore(OPENERS))

    @contextlib.asynccontextmanager
    async def working(app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(batcher.run()) for batcher in batchers.values()]
        yield
        for task in tasks:
            task.cancel()
        for batcher in batchers.values():
            batcher.close()

    hosts = [*LOOPBACK_NAMES] if settings.is_loopback else ["*"]
    return Starlette(
        routes=[
            Route(path, _guarded(server, handler, path), methods=[method])
            for (method, path), handler in ROUTES.items()
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)],
        lifespan=working,
    )


def _guarded(server: Server, handler: Handler, path: str) -> Endpoint:
    """A handler that checks the key, tells problems in OpenAI's form, and counts."""

    async def handle(request: Request) -> Response:
        try:
            if path not in OPEN:
                check_key(request, server.settings)
            response = await handler(server, request)
        except RequestError as error:
            response = JSONResponse(error.body(), error.status, headers=error.headers)
        except LeftError:
            response = Response(status_code=CLOSED_REQUEST)
        server.measures.requests.labels(str(response.status_code)).inc()
        return response

    return handle


async def health(server: Server, request: Request) -> Response:
    """`/health`: that the server answers."""
    return JSONResponse({"status": "ok", "models": [model.name for model in server.models]})


async def metrics(server: Server, request: Request) -> Response:
    """`/metrics`, for Prometheus."""
    return Response(server.measures.text(), media_type="text/plain; version=0.0.4")


async def list_models(server: Server, request: Request) -> Response:
    """`/v1/models`."""
    listed = [
        {"id": model.name, "object": "model", "created": 0, "owned_by": "rediff"}
        for model in server.models
    ]
    return JSONResponse({"object": "list", "data": listed})


async def chat_completions(server: Server, request: Request) -> Response:
    """`/v1/chat/completions`."""
    raw = await read_json(request, server.settings)
    body = read_body(raw)
    pending = await while_listening(request, server.begin(body))
    if body.stream:
        usage = bool((raw.get("stream_options") or {}).get("include_usage"))
        return StreamingResponse(_events(pending, usage), media_type=EVENTS)
    caption = await while_listening(request, pending.caption)
    return JSONResponse(pending.completion(caption).body())


async def _events(pending: Pending, usage: bool) -> AsyncIterator[str]:
    """Nothing is final before the last step, so until then only comments keep the stream alive."""
    try:
        while not pending.caption.done():
            yield ": at work\n\n"
            await asyncio.wait([pending.caption], timeout=ALIVE)
        for chunk in pending.completion(pending.caption.result()).chunks(usage=usage):
            yield event(chunk)
    except RequestError as error:
        yield event(error.body())
    finally:
        pending.caption.cancel()
    yield "data: [DONE]\n\n"


ROUTES: Mapping[tuple[str, str], Handler] = {
    ("GET", "/health"): health,
    ("GET", "/metrics"): metrics,
    ("GET", "/v1/models"): list_models,
    ("POST", "/v1/chat/completions"): chat_completions,
    ("GET", "/"): page,
    ("GET", "/page/{name}"): page_part,
    ("GET", "/live/choices"): choices,
    ("GET", "/live/scene/{number:int}"): scene_picture,
    ("POST", "/live/caption"): live_caption,
}
OPEN = ("/health", "/", "/page/{name}")
"""Paths that need no key: they tell nothing, and a page cannot send one before it is there."""
