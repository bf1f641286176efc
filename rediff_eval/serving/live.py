"""The page on which a caption is watched while it is written, and the data that it asks for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from rediff.captioners.base import Caption
from rediff.data.images import data_url
from rediff.decoding.registry import SAMPLERS
from rediff.decoding.trace import Step
from rediff.scenes.example import scene
from rediff.scenes.world import Scene
from rediff.training.edits import END
from rediff_eval.captioning.answers import true_words
from rediff_eval.serving.chat import read_body, read_question
from rediff_eval.serving.models import Served
from rediff_eval.serving.problems import RequestError
from rediff_eval.serving.requests import read_json, while_listening
from rediff_eval.serving.server import Pending, Server

EVENTS = "text/event-stream"
PAGE = "page"
TYPES = {"live.css": "text/css", "live.js": "text/javascript"}
POLICY = "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'"
"""The page loads nothing from elsewhere, and runs no code but its own."""


async def page(server: Server, request: Request) -> Response:
    """`/`: the page."""
    return _file("live.html", "text/html")


async def page_part(server: Server, request: Request) -> Response:
    """`/page/NAME`: its style and its script."""
    name = request.path_params["name"]
    if name not in TYPES:
        raise RequestError(404, f"no {name!r} here")
    return _file(name, TYPES[name])


def _file(name: str, kind: str) -> Response:
    text = files(__package__).joinpath(PAGE, name).read_text(encoding="utf-8")
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
    return Response(text, media_type=kind, headers=headers)


async def choices(server: Server, request: Request) -> Response:
    """`/live/choices`: models with the options of each, and samplers."""
    models = [_choices(model) for model in server.models]
    return JSONResponse({"models": models, "samplers": sorted(SAMPLERS)})


def _choices(model: Served) -> dict[str, Any]:
    able = model.loaded.captioner.capabilities
    return {
        "name": model.name,
        "kind": able.kind,
        "length": able.length,
        "sampler": model.loaded.source.sampler or able.sampler if able.takes_samplers else None,
        "takes_steps": able.takes_steps,
        "scenes_only": model.scenes_only,
    }


async def scene_picture(server: Server, request: Request) -> Response:
    """`/live/scene/NUMBER`: a test scene's picture, and a true caption of it."""
    found = await asyncio.to_thread(_scene, request.path_params["number"])
    return JSONResponse({"picture": data_url(found.image), "caption": found.caption})


def _scene(number: int) -> Any:
    try:
        return scene(number)
    except ValueError as error:
        raise RequestError(404, str(error)) from error


async def live_caption(server: Server, request: Request) -> Response:
    """`/live/caption`: a chat completion whose steps are sent as they are taken.

    The body is that of a chat completion; `scene` is the number of the test scene that its picture
    shows, so that false words are known. Each event is a step (see `_step`), the last the end.
    """
    raw = await read_json(request, server.settings)
    number = raw.pop("scene", None) if isinstance(raw, dict) else None
    if number is not None and not isinstance(number, int):
        raise RequestError(400, "scene must be a number", field="scene")
    body = read_body(raw)
    truth = None if number is None else (await asyncio.to_thread(_scene, number)).scene
    loop = asyncio.get_running_loop()
    steps: asyncio.Queue[Step] = asyncio.Queue()

    def on_step(step: Step) -> None:
        loop.call_soon_threadsafe(steps.put_nowait, step)

    pending = await while_listening(request, server.begin(body, on_step))
    return StreamingResponse(_events(pending, steps, truth), media_type=EVENTS)


async def _events(
    pending: Pending, steps: asyncio.Queue[Step], truth: Scene | None
) -> AsyncIterator[str]:
    words: list[str] = []
    try:
        while not (pending.caption.done() and steps.empty()):
            taken = asyncio.ensure_future(steps.get())
            waits: list[asyncio.Future[Any]] = [taken, pending.caption]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if taken.done():
                words = pending.model.words(taken.result().tokens[0].tolist())
                yield event(_step(taken.result(), words))
            else:
                taken.cancel()
        yield event(_end(pending, pending.caption.result(), words, truth))
    except RequestError as error:
        yield event(error.body())
    finally:
        pending.caption.cancel()


def _step(step: Step, words: list[str]) -> dict[str, Any]:
    """A step of the only row: its words, null where they are masked and
    empty from the end on; the places that were written
    and revised; the probability of each place's likeliest word."""
    masked = step.masked[0].tolist()
    return {
        "words": [
            None if hidden and word != END else word
            for word, hidden in zip(words, masked, strict=True)
        ],
        "written": step.unmasked[0].nonzero().flatten().tolist(),
        "revised": step.revised[0].nonzero().flatten().tolist(),
        "confidence": [round(number, 3) for number in step.confidence[0].tolist()],
    }


def _end(
    pending: Pending, caption: Caption, words: list[str], truth: Scene | None
) -> dict[str, Any]:
    """The whole text, its cost, and the places of false words where the truth is known."""
    asked = read_question(pending.body.messages).dialogue
    right = None if truth is None else true_words(words, truth, asked)
    pairs = enumerate(zip(words, right or words, strict=True))
    wrong = [place for place, (word, should) in pairs if word != should]
    return {
        "text": caption.text,
        "passes": caption.nfe,
        "seconds": round(caption.seconds, 3),
        "tokens": caption.tokens,
        "wrong": None if right is None else wrong,
    }


def event(content: Any) -> str:
    """A server-sent event.

    Args:
        content: of JSON values.
    """
    return f"data: {json.dumps(content)}\n\n"
