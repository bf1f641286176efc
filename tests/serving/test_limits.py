"""Keys, queues, addresses and signals: what a server lets happen and what not."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from asking_server import ask, shown
from programs import program
from served import KEY, Running, serving

import rediff


@pytest.fixture(scope="module")
def small(untrained: Path) -> Iterator[Running]:
    """A server with a key, a short queue, slow batches and pictures by address."""
    with serving(
        "--model", untrained / "diffusion", "--api-key-env", "OUR_KEY", "--queue", "2",
        "--batch-size", "1", "--allow-urls", OUR_KEY=KEY,
    ) as running:  # fmt: skip
        yield running


def test_a_wrong_key_is_refused(small: Running) -> None:
    with pytest.raises(openai.AuthenticationError, match="wrong or missing key"):
        small.client("other").models.list()
    assert httpx2.get(f"{small.url}/metrics").status_code == 401
    assert httpx2.get(f"{small.url}/health").status_code == 200
    assert [m.id for m in small.client().models.list()] == ["diffusion"]


def test_a_full_queue_says_when_to_come_again(small: Running) -> None:
    body: Any = {"model": "diffusion", "messages": ask(shown(1))}
    create = small.client().chat.completions.create

    def one(_: int) -> int:
        try:
            create(**body)
        except openai.RateLimitError as error:
            return int(error.response.headers["Retry-After"])
        return 0

    with ThreadPoolExecutor(24) as pool:
        found = list(pool.map(one, range(72)))
    assert 0 < found.count(0) < 72
    assert one(0) == 0


def test_a_client_that_leaves_gives_its_place_up() -> None:
    """Thirty ask a slow server and hang up; it captions few of them."""
    with serving("--model", "control", "--batch-size", "1", "--queue", "30") as running:
        host, port = running.url.removeprefix("http://").split(":")
        body = json.dumps({"model": "control", "messages": ask(shown(2))}).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        sockets = [socket.create_connection((host, int(port))) for _ in range(30)]
        for connection in sockets:
            connection.sendall(head + body)
        time.sleep(0.3)
        for connection in sockets:
            connection.close()
        running.client().chat.completions.create(model="control", messages=ask(shown(1)))
        text = httpx2.get(f"{running.url}/metrics").text
    counts = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert 1 <= float(counts['rediff_captions_total{model="control"}']) < 20
    assert float(counts['rediff_waiting{model="control"}']) == 0


def test_what_to_install_is_said() -> None:
    blocked = "import sys; sys.modules['uvicorn'] = None; from rediff_eval.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", blocked, "serve"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'rediff[serve]'" in done.stderr


def test_pictures_by_address_where_they_are_allowed(small: Running) -> None:
    buffer = BytesIO()
    rediff.scene(1).image.save(buffer, "PNG")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path == "/moved" else 200)
            if self.path == "/moved":
                self.send_header("Location", "/picture")
            self.end_headers()
            self.wfile.write(buffer.getvalue())

        def log_message(self, *arguments: object) -> None:
            """Says nothing."""

    pictures = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=pictures.serve_forever, daemon=True).start()
    url, create = f"http://127.0.0.1:{pictures.server_port}", small.client().chat.completions.create
    by_address = create(model="diffusion", messages=ask(f"{url}/picture"))
    by_value = create(model="diffusion", messages=ask(shown(1)))
    assert by_address.choices[0].message.content == by_value.choices[0].message.content
    with pytest.raises(openai.BadRequestError, match="cannot be fetched"):
        create(model="diffusion", messages=ask(f"{url}/moved"))
    pictures.shutdown()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_ends_what_is_under_way(number: int) -> None:
    with serving("--model", "rediff") as running:
        create = running.client().chat.completions.create
        with ThreadPoolExecutor(8) as pool:
            replies = [
                pool.submit(create, model="rediff", messages=ask(shown(1))) for _ in range(8)
            ]
            time.sleep(0.5)
            code = running.stop(number)
            texts = {reply.result().choices[0].message.content for reply in replies}
        assert len(texts) == 1
        assert code == {signal.SIGTERM: -signal.SIGTERM, signal.SIGINT: 0}[signal.Signals(number)]


def test_what_cannot_be_served_is_said(untrained: Path) -> None:
    model = untrained / "diffusion"
    said = program("serve", "--model", model, "--host", "0.0.0.0", ok=2)
    assert "can be reached from elsewhere: name a key" in said
    assert "environment has no OTHER" in program("serve", "--api-key-env", "OTHER", ok=2)
    twice = ("--model", "rediff", "--model", "rediff:mask-predict")
    assert "needs a name of its own" in program("serve", *twice, ok=2)
