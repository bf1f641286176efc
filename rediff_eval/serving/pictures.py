"""Pictures of requests: data URLs, and http addresses where these are allowed."""

from __future__ import annotations

import base64
import binascii
import urllib.error
import urllib.request

from PIL import Image

from rediff.data.images import open_bytes
from rediff_eval.serving.problems import RequestError

SECONDS = 20.0
NAME = "the picture"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect could lead to an address that only this machine can reach."""

    def redirect_request(self, *arguments: object) -> None:
        return None


def open_url(url: str, *, fetch: bool, most: int) -> Image.Image:
    """The picture of a URL.

    Args:
        url: `data:image/...;base64,...`, or an http address.
        fetch: whether http addresses are fetched.
        most: bytes of the picture's file at most.

    Raises:
        RequestError: for anything but a readable picture.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "data":
        content = _of_data_url(rest)
    elif scheme in ("http", "https"):
        if not fetch:
            raise RequestError(
                400,
                "this server fetches no pictures: send a data URL, or start it with --allow-urls",
                field="messages",
            )
        content = _fetched(url, most)
    else:
        raise RequestError(400, "a picture is a data URL or an http address", field="messages")
    try:
        return open_bytes(content, NAME)
    except ValueError as error:
        raise RequestError(400, str(error), field="messages") from error


def _of_data_url(rest: str) -> bytes:
    head, comma, data = rest.partition(",")
    if not comma or not head.endswith(";base64"):
        raise RequestError(
            400, "a data URL of a picture is data:image/...;base64,...", field="messages"
        )
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(400, f"{NAME} is not valid base64: {error}", field="messages") from error


def _fetched(url: str, most: int) -> bytes:
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(url, timeout=SECONDS) as reply:
            content: bytes = reply.read(most + 1)
    except (OSError, ValueError) as error:
        raise RequestError(400, f"{NAME} cannot be fetched: {error}", field="messages") from error
    if len(content) > most:
        raise RequestError(413, f"{NAME} has more than {most} bytes", field="messages")
    return content
