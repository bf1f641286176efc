"""Reading requests: their limits, their key, and whether whoever asked still listens."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from rediff_eval.serving.batching import LeftError
from rediff_eval.serving.problems import RequestError
from rediff_eval.serving.settings import ServerSettings

Value = TypeVar("Value")


def check_key(request: Request, settings: ServerSettings) -> None:
    """Raises RequestError for a request without the server's key, if it has one."""
    if settings.key is None:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    right = hmac.compare_digest(given.strip().encode(), settings.key.encode())
    if scheme.lower() != "bearer" or not right:
        raise RequestError(401, "wrong or missing key: send it as `Authorization: Bearer KEY`")


async def read_json(request: Request, settings: ServerSettings) -> Any:
    """The JSON value of a request's body.

    It must be called JSON: a page of another site could send anything else from a browser without
    asking.

    Args:
        request: whose body was not read.
        settings: the limits.

    Raises:
        RequestError: for a body that is too large, too slow or not JSON.
        LeftError: if the client is gone before it is whole.
    """
    form = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if form != "application/json":
        raise RequestError(415, "the body must be application/json")
    try:
        async with asyncio.timeout(settings.patience):
            body = await _read(request, settings.body)
    except TimeoutError as error:
        raise RequestError(408, f"the body took more than {settings.patience:g} s") from error
    except ClientDisconnect as error:
        raise LeftError from error
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the body is not JSON: {error}") from error


async def _read(request: Request, most: int) -> bytes:
    told = request.headers.get("content-length", "0")
    parts, size = [], int(told) if told.isdecimal() else 0
    if size <= most:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > most:
                break
            parts.append(part)
    if size > most:
        raise RequestError(413, f"a request has {most} bytes at most")
    return b"".join(parts)


async def while_listening(request: Request, answer: Awaitable[Value]) -> Value:
    """The answer, unless the client leaves before there is one.

    Args:
        request: whose body was read.
        answer: is cancelled when nobody waits for it.

    Raises:
        LeftError: if the client left.
    """
    work = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait([work, gone], return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise LeftError
        return await work
    finally:
        for task in (work, gone):
            task.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
