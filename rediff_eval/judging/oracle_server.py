"""The oracle as a server on loopback that speaks OpenAI's chat protocol."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rediff_eval.judging.oracle import Oracle

HOST = "127.0.0.1"
PATH = "/v1/chat/completions"
LARGEST = 32 * 2**20
"""Bytes of a request at most."""


def make_server(port: int = 0) -> ThreadingHTTPServer:
    """A server on loopback, not yet serving. `port` 0: any free one."""
    oracle = Oracle()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if self.path != PATH or not 0 < length <= LARGEST:
                self._send(404, _problem(f"this server answers requests to {PATH} only"))
                return
            try:
                body = json.loads(self.rfile.read(length))
                text = oracle.reply(body)
            except (ValueError, AttributeError, TypeError) as error:
                self._send(400, _problem(str(error)))
            else:
                self._send(200, completion(body, text))

        def _send(self, status: int, answer: dict[str, Any]) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer((HOST, port), Handler)
    server.daemon_threads = True
    return server


@contextmanager
def serving_oracle() -> Iterator[str]:
    """A running server's base URL."""
    server = make_server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def completion(body: dict[str, Any], text: str) -> dict[str, Any]:
    """A reply in OpenAI's form; tokens are words, pictures count nothing."""
    asked = sum(
        len(part.get("text", "").split())
        for message in body["messages"]
        for part in message["content"]
        if isinstance(part, dict)
    )
    written = len(text.split())
    return {
        "id": "oracle",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text},
            }
        ],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": written,
            "total_tokens": asked + written,
        },
    }


def _problem(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": None}}
