"""OpenAI's own client, and clients that behave badly, against a real server."""

import base64
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import openai
import psutil
import pytest
from asking_server import QUESTION, ask, shown
from PIL import Image
from programs import capture, program
from served import Running

import rediff


def direct(number: int, model: str = "rediff", **options: Any) -> str:
    with rediff.load(model) as loaded:
        return loaded.caption(rediff.scene(number).image, **options).text


def post(server: Running, content: bytes, **headers: str) -> httpx2.Response:
    head = {"Content-Type": "application/json", **headers}
    url = f"{server.url}/v1/chat/completions"
    return httpx2.post(url, content=content, headers=head, timeout=60)


def test_a_caption_is_that_of_the_direct_run(server: Running) -> None:
    options: dict[str, Any] = {"steps": 10, "sampler": "refine,refine_share=0.3"}
    reply = server.client().chat.completions.create(
        model="rediff", messages=ask(shown(3)), extra_body=options
    )
    assert reply.choices[0].message.content == direct(3, **options)
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.completion_tokens > 20
    assert reply.usage.prompt_tokens > 10
    assert 1 <= reply.usage.model_dump()["passes"] <= 10


def test_models_and_health(server: Running) -> None:
    assert [m.id for m in server.client().models.list()] == ["rediff", "control", "ar"]
    assert httpx2.get(f"{server.url}/health").json()["status"] == "ok"


def test_a_stream_ends_with_the_same_text(server: Running) -> None:
    chunks = list(
        server.client().chat.completions.create(
            model="ar", messages=ask(shown(3)), stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == direct(3, "ar")
    assert chunks[-1].usage is not None
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"


def test_several_turns(server: Running) -> None:
    turns = ("How many shapes are there?", "three", QUESTION)
    reply = server.client().chat.completions.create(
        model="control", messages=ask(shown(3), *turns), extra_body={"steps": 8}
    )
    assert reply.choices[0].message.content == direct(3, "control", ask=turns, steps=8)


def test_shorter_answers_and_stops(server: Running) -> None:
    whole = direct(3, steps=20)
    create = server.client().chat.completions.create
    body: Any = {"model": "rediff", "messages": ask(shown(3)), "extra_body": {"steps": 20}}
    cut = create(**body, max_tokens=6).choices[0]
    assert cut.finish_reason == "length"
    assert cut.message.content is not None
    assert whole.startswith(cut.message.content)
    stopped = create(**body, stop=["."]).choices[0]
    assert (stopped.message.content, stopped.finish_reason) == (whole.split(".")[0], "stop")


def test_a_seed_draws_and_draws_again(server: Running) -> None:
    def drawn(seed: int, top_p: float = 1.0) -> str | None:
        reply = server.client().chat.completions.create(
            model="control", messages=ask(shown(3)), temperature=1.0, top_p=top_p, seed=seed,
            extra_body={"steps": 16},
        )  # fmt: skip
        return reply.choices[0].message.content

    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1) != drawn(1, top_p=0.01) == direct(3, "control", steps=16)


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"model": "redif"}, 404, "did you mean 'rediff'"),
    ({"extra_body": {"sampler": "refin"}}, 400, "did you mean 'refine'"),
    ({"extra_body": {"step": 3}}, 400, "steps"),
    ({"extra_body": {"steps": 0}}, 400, "steps"),
    ({"extra_body": {"steps": 5000}}, 400, "5000 steps"),
    ({"model": "ar", "extra_body": {"steps": 3}}, 400, "no denoising steps"),
    ({"model": "ar", "temperature": 1.0}, 400, "takes no temperature"),
    ({"n": 2}, 400, "n is not offered"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "tools is not offered"),
    ({"messages": ask(None)}, 400, "one picture is asked about: got 0"),
    ({"messages": ask("data:image/png;base64,AAAA")}, 400, "the picture: no picture"),
    ({"messages": ask("data:image/png;base64,!!")}, 400, "not valid base64"),
    ({"messages": ask("data:text/plain,hello")}, 400, "a data URL of a picture is"),
    ({"messages": ask("http://127.0.0.1:9/x.png")}, 400, "--allow-urls"),
    ({"messages": ask("file:///etc/passwd")}, 400, "a data URL or an http address"),
    ({"messages": ask(shown(1), QUESTION, "three")}, 400, "begin and end with the user"),
]


@pytest.mark.parametrize(("changes", "status", "said"), WRONG, ids=[w[2] for w in WRONG])
def test_wrong_requests_are_told(
    changes: dict[str, Any], status: int, said: str, server: Running
) -> None:
    body: Any = {"model": "rediff", "messages": ask(shown(1)), **changes}
    with pytest.raises(openai.APIStatusError, match=said) as found:
        server.client().chat.completions.create(**body)
    assert found.value.status_code == status


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Host": "attacker.example"}, 400),
        (b" " * (32 * 2**20 + 1), {}, 413),
    ],
    ids=["half", "a list", "deep", "bytes", "plain", "host", "huge"],
)
def test_bodies_that_are_no_request(
    content: bytes, headers: dict[str, str], status: int, server: Running
) -> None:
    assert post(server, content, **headers).status_code == status


def test_a_picture_of_too_many_pixels_is_refused(server: Running) -> None:
    """A small file that would be a large picture."""
    buffer = BytesIO()
    Image.new("1", (11_000, 11_000)).save(buffer, "PNG")
    url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    with pytest.raises(openai.BadRequestError, match="pixels, more than"):
        server.client().chat.completions.create(model="rediff", messages=ask(url))


def test_half_a_request_and_clients_that_hang_up_do_no_harm(server: Running) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps({"model": "rediff", "messages": ask(shown(2))}).encode()
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    for sent in (head[:30], head + body[: len(body) // 2], head + body):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(sent)
    reply = server.client().chat.completions.create(
        model="rediff", messages=ask(shown(2)), extra_body={"steps": 5}
    )
    assert reply.choices[0].message.content == direct(2, steps=5)


def test_two_hundred_requests_at_sixteen_at_once(server: Running) -> None:
    """None is lost, none is mixed up, many share a batch, and memory does not grow with them."""
    right = {number: direct(number, steps=5) for number in range(10)}
    create, memory = server.client().chat.completions.create, psutil.Process(server.process.pid)

    def one(place: int) -> tuple[int, str | None]:
        reply = create(model="rediff", messages=ask(shown(place % 10)), extra_body={"steps": 5})
        return place % 10, reply.choices[0].message.content

    with ThreadPoolExecutor(16) as pool:
        first = list(pool.map(one, range(100)))
        before = memory.memory_info().rss
        second = list(pool.map(one, range(100)))
    assert all(text == right[number] for number, text in [*first, *second])
    assert memory.memory_info().rss - before < 200 * 2**20
    text = httpx2.get(f"{server.url}/metrics").text
    counts = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    batches = float(counts['rediff_batch_size_count{model="rediff"}'])
    captions = float(counts['rediff_captions_total{model="rediff"}'])
    assert captions >= 200
    assert batches < captions / 2


def test_our_own_captioner_gives_the_captions_of_the_direct_run(
    server: Running, tmp_path: Path
) -> None:
    there = capture("control:mask-predict", tmp_path / "direct", "--steps", "80", limit=6)
    program(
        "run", "--task", "capture", "--limit", "6", "--model", "openai:control", "--base-url",
        f"{server.url}/v1", "--out", tmp_path / "served", OPENAI_API_KEY="none",
    )  # fmt: skip
    lines = (tmp_path / "served" / "captions.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == [line["text"] for line in there]
