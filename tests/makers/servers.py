"""A server on loopback in place of those of the world."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Server:
    """A running server; `answer` is asked with method, path and body, `seen` keeps the requests."""

    answer: Callable[[str, str, Any], Answer] = lambda method, path, body: (404, {}, b"")
    seen: list[Any] = field(default_factory=list)
    url: str = ""


def _body(kind: str, content: bytes) -> Any:
    """A request's JSON, or the file of a form."""
    if kind.startswith("multipart/form-data"):
        parts = content.split(b"--" + kind.partition("boundary=")[2].encode())
        (file,) = (part for part in parts if b"filename=" in part)
        return file.partition(b"\r\n\r\n")[2].rstrip(b"\r\n")
    return json.loads(content) if content else None


@contextmanager
def serving() -> Iterator[Server]:
    """A server that answers as its `answer` says."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = _body(self.headers.get("Content-Type") or "", self.rfile.read(length))
            state.seen.append((self.command, self.path, body))
            status, headers, content = state.answer(self.command, self.path, body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = reply  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            """Says nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.handle_error = lambda *given: None  # type: ignore[method-assign]
    state.url = f"http://127.0.0.1:{listening.server_port}"
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield state
    listening.shutdown()
    listening.server_close()


def completion(
    text: str | None, tokens: int, **choice: object
) -> tuple[int, dict[str, str], bytes]:
    """A reply in OpenAI's form."""
    message = {"role": "assistant", "content": text}
    reply = {
        "id": "x", "object": "chat.completion", "created": 0, "model": "gpt-x",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message, **choice}],
        "usage": {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1},
    }  # fmt: skip
    return 200, {"Content-Type": "application/json"}, json.dumps(reply).encode()
