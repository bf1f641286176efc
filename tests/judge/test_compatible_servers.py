"""Servers that people call OpenAI-compatible: judge, captioner and expert ask each as it wants."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faults
import pytest
from PIL import Image
from programs import inside, numbers, program
from servers import Answer, Server, completion, serving

from rediff.data.images import data_url, open_image
from rediff.llm_client.client import Caller, is_near
from rediff.llm_client.dialect import Dialect, learn
from rediff.llm_client.probe import probe
from rediff.llm_client.reasoning import split_reasoning
from rediff.llm_client.server import ServerSpec
from rediff.training.overrides import with_expert
from rediff.training.recipe import Recipe, find_recipe
from rediff_eval.results.scoring import TooManyFailuresError

BODY = {
    "model": "m", "max_tokens": 4096, "temperature": 0.0, "top_p": 0.9,
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "s"}]},
        {"role": "user", "content": [{"type": "text", "text": "u"}]},
    ],
}  # fmt: skip


def refuses(message: str, when: Callable[[Any], bool], status: int = 400) -> Any:
    """A server that refuses requests of a form with a message, and answers all others."""

    def answer(method: str, path: str, body: Any) -> Answer:
        return faults.status(status, message) if when(body) else completion("fine", 2)

    return answer


SERVERS = {
    "a reasoning model's token limit": refuses(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
        " 'max_completion_tokens' instead.", lambda body: "max_tokens" in body,
    ),
    "a reasoning model's temperature": refuses(
        "Unsupported value: 'temperature' does not support 0 with this model.",
        lambda body: body.get("temperature", 1) != 1,
    ),
    "no top_p": refuses("top_p is not permitted", lambda body: "top_p" in body, 422),
    "no system role": refuses(
        "System role not supported", lambda b: any(m["role"] == "system" for m in b["messages"])
    ),
    "roles must alternate": refuses(
        "Conversation roles must alternate user/assistant/user/assistant/...",
        lambda b: any(m["role"] == "system" for m in b["messages"]), 500,
    ),
    "strings only": refuses(
        "Failed to deserialize the JSON body: messages[0]: invalid type: sequence, expected a"
        " string", lambda b: not all(isinstance(m["content"], str) for m in b["messages"]), 422,
    ),
    "a short context": refuses(
        "This model's maximum context length is 4096 tokens. However, you requested 4696 tokens"
        " (600 in the messages, 4096 in the completion).", lambda b: b["max_tokens"] + 600 > 4096,
    ),
    "few tokens": refuses(
        "max_tokens is too large: 4096. This model supports at most 2048 completion tokens.",
        lambda body: body["max_tokens"] > 2048,
    ),
    "everything at once": refuses(
        "Extra inputs are not permitted: max_tokens; temperature",
        lambda body: "max_tokens" in body or "temperature" in body, 422,
    ),
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.mark.parametrize("name", SERVERS)
def test_a_request_is_asked_in_the_form_that_is_taken(name: str, server: Server) -> None:
    server.answer = SERVERS[name]
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1", retries=0))
    replies = [caller.call(BODY) for _ in range(3)]
    assert [reply.text for reply in replies] == ["fine"] * 3, replies[0].error
    seen = len(server.seen)
    assert seen <= 6 if name == "a short context" else seen <= 5, "what was learnt is kept"


def test_two_kinds_of_lessons_do_not_make_each_other_forgotten(server: Server) -> None:
    """A context that is too short for one request, then a field that is refused for all."""
    strict, short = SERVERS["a reasoning model's temperature"], SERVERS["a short context"]

    def answer(method: str, path: str, body: Any) -> Answer:
        first = short(method, path, body)
        return first if first[0] != 200 else strict(method, path, body)

    server.answer = answer
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1", retries=0))
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(caller.call, [BODY] * 8))
    assert [reply.text for reply in replies] == ["fine"] * 8
    assert len(server.seen) <= 8 * 4
    assert caller.dialect == Dialect(without=frozenset({"temperature"}))


@pytest.mark.parametrize(
    "complaint",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5300 tokens"
        " (5000 in the messages, 200 in the temperature, 100 in the completion).",
        "max_tokens, temperature, system role, user: a string content is not what this says",
    ],
)
def test_a_server_that_refuses_everything_is_left_soon(complaint: str, server: Server) -> None:
    server.answer = refuses(complaint, lambda body: True)
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1", retries=0))
    assert caller.call(BODY).error
    assert len(server.seen) <= 9


def test_a_context_told_by_the_limit_alone_is_halved(server: Server) -> None:
    """The server counts no prompt, but says "at least" what the limit leaves for it."""

    def answer(method: str, path: str, body: Any) -> Answer:
        if body["max_tokens"] + 4000 > 8192:
            least = 8192 - body["max_tokens"] + 1
            return faults.status(
                400, "This model's maximum context length is 8192 tokens and your prompt contains"
                f" at least {least} input tokens",
            )  # fmt: skip
        return completion("fine", 2)

    server.answer = answer
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1", retries=0))
    assert caller.call({**BODY, "max_tokens": 8000}).text == "fine"
    assert len(server.seen) <= 3


@pytest.mark.parametrize(
    ("complaint", "most"),
    [
        ("the valid range of max_tokens is [1, 8192]", 8192),
        ("Range of max_tokens should be [1, 2048]", 2048),
        ("max_tokens must be less than or equal to `1024`", 1024),
        ("max_tokens: 100,000 > 8,192, which is the maximum allowed", 8192),
        ("temperature must be between 0 and 2 ('input': {'max_tokens': 9000, 'x': 2})", None),
        ("max_tokens is too large. This model supports at most 4096 completion tokens", 4096),
    ],
)
def test_limits_in_the_words_of_servers(complaint: str, most: int | None) -> None:
    learnt = learn(Dialect(), {**BODY, "max_tokens": 9000}, complaint)
    assert learnt is not None
    assert learnt.most == most


def test_an_error_that_names_roles_by_the_way_changes_no_prompt(server: Server) -> None:
    server.answer = lambda method, path, body: faults.status(500, "cannot process the user message")
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1", retries=0))
    assert "500" in (caller.call(BODY).error or "")
    assert caller.dialect == Dialect()


def test_a_refusal_that_teaches_nothing_is_final(server: Server) -> None:
    server.answer = refuses("no such picture", lambda body: True)
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1"))
    reply = caller.call(BODY)
    assert "no such picture" in (reply.error or "")
    assert len(server.seen) == 1
    assert learn(Dialect(), BODY, "no such picture") is None


def test_a_system_text_alone_becomes_the_users(server: Server) -> None:
    server.answer = refuses(
        "messages: at least one message with role user is required",
        lambda b: not any(m["role"] == "user" for m in b["messages"]),
    )
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1"))
    assert caller.call({**BODY, "messages": BODY["messages"][:1]}).text == "fine"
    assert server.seen[-1][2]["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "s"}]}
    ]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>\n\n</think>\n\nb", "b"), ("<answer>b</answer>", "b"), ("plain", "plain"),
        ("<think>a</think>\n\nb", "b"), ("a</think>b", "b"), ("<think>a", ""),
        ("[THINK]a[/THINK] b", "b"), ("◁think▷a◁/think▷b", "b"), ("<thinking>a</thinking>b", "b"),
        ("<think>a</think><answer>b</answer>", "b"), ("<reasoning>x</reasoning>a < b", "a < b"),
        ("<think>a <think> b</think>c", "c"), ("I think <b>so</b>", "I think <b>so</b>"),
    ],
)  # fmt: skip
def test_reasoning_is_no_answer(text: str, answer: str) -> None:
    assert split_reasoning(text).answer == answer


def test_an_empty_thought_is_cut_off_too(server: Server) -> None:
    server.answer = lambda method, path, body: completion("<think>\n\n</think>\n\nA dog.", 5)
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1"))
    assert caller.call(BODY).text == "A dog."


def test_a_spent_quota_is_no_rate_limit_for_a_probe(server: Server) -> None:
    spec = ServerSpec(model="m", base_url=f"{server.url}/v1", pause=0.01)
    server.answer = lambda method, path, body: faults.status(429, name="insufficient_quota")
    with pytest.raises(ValueError, match="the judge m cannot be asked"):
        probe(spec, "the judge", with_picture=False)
    server.answer = lambda method, path, body: faults.status(
        400, "Could not finish the message because max_tokens or model output limit was reached"
    )
    assert probe(spec, "the judge", with_picture=False) == Dialect()


def run_captioner(
    server: Server, data: Path, out: Path, *more: str, ok: int = 0, **env: str
) -> str:
    return program(
        "run", "--task", "captions", "--data", data, "--model", "openai:m", "--base-url",
        f"{server.url}/v1", "--out", out, *more, ok=ok, **{"OPENAI_API_KEY": "sk-mine", **env},
    )  # fmt: skip


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """A folder with a noisy JPEG, whose PNG is far larger."""
    folder = tmp_path / "big"
    folder.mkdir()
    Image.effect_noise((600, 600), 80).convert("RGB").save(folder / "a.jpg", quality=80)
    return folder


def test_a_caption_is_what_follows_the_reasoning(
    server: Server, photograph: Path, tmp_path: Path
) -> None:
    server.answer = lambda method, path, body: completion("<think>blue?</think>a red dog", 9)
    run_captioner(server, photograph, tmp_path / "out", HTTP_PROXY="http://127.0.0.1:9")
    (line,) = map(json.loads, (tmp_path / "out" / "captions.jsonl").read_text().splitlines())
    assert (line["text"], line["reasoning"]) == ("a red dog", "blue?")
    url = server.seen[-1][2]["messages"][0]["content"][0]["image_url"]["url"]
    assert base64.b64decode(url.partition(",")[2]) == (photograph / "a.jpg").read_bytes()


def test_a_reply_that_was_cut_off_while_reasoning_says_so(
    server: Server, photograph: Path, tmp_path: Path
) -> None:
    server.answer = lambda method, path, body: faults.reply(
        None, finish_reason="length",
        message={"role": "assistant", "content": None, "reasoning_content": "hm"},
    )  # fmt: skip
    out = run_captioner(server, photograph, tmp_path / "out", "--max-tokens", "77", ok=1)
    assert "was cut off at 5 tokens while reasoning: allow more by --max-tokens" in out
    assert server.seen[-1][2]["max_tokens"] == 77


def test_pictures_are_sent_as_they_are_where_that_is_what_is_seen(tmp_path: Path) -> None:
    noise = Image.effect_noise((300, 200), 80).convert("RGB")
    turned = noise.getexif()
    turned[274] = 6
    forms: dict[str, tuple[Image.Image, dict[str, Any], str, bool]] = {
        "a.jpg": (noise, {}, "jpeg", True), "b.png": (noise, {}, "png", True),
        "turned.jpg": (noise, {"exif": turned}, "jpeg", False),
        "clear.png": (noise.convert("RGBA"), {}, "png", False),
        "a.tiff": (noise, {}, "png", False), "cmyk.jpg": (noise.convert("CMYK"), {}, "jpeg", False),
        "really-a-png.jpg": (noise, {"format": "PNG"}, "png", True),
    }  # fmt: skip
    for name, (image, options, form, same) in forms.items():
        path = tmp_path / name
        if name == "clear.png":
            image.putalpha(100)
        image.save(path, **options)
        content = path.read_bytes()
        head, _, sent = data_url(open_image(path), content).partition(";base64,")
        assert head == f"data:image/{form}", name
        raw = base64.b64decode(sent)
        assert (raw == content) is same, name
        assert Image.open(io.BytesIO(raw)).size == open_image(path).size, name


def test_a_key_reaches_a_server_on_this_machine_and_a_refusal_says_whose(
    server: Server, photograph: Path, tmp_path: Path
) -> None:
    with serving() as asking:
        asking.answer = lambda method, path, body: faults.status(401, "bad key")
        out = run_captioner(asking, photograph, tmp_path / "no", "--key-env", "MY_KEY", ok=2,
                            MY_KEY="x")  # fmt: skip
        assert "bad key (the key of MY_KEY was sent)" in out
    out = run_captioner(server, photograph, tmp_path / "none", "--key-env", "NO_KEY", ok=2)
    assert "set the environment variable NO_KEY" in out
    for host, near in (("localhost", True), ("127.0.0.1", True), ("127.8.8.8", True),
                       ("[::1]", True), ("10.0.0.1", False), ("example.org", False)):  # fmt: skip
        assert is_near(f"http://{host}:1/v1") is near


def test_an_address_that_is_wrong_is_named(
    server: Server, photograph: Path, tmp_path: Path
) -> None:
    server.answer = lambda method, path, body: (404, {}, b"404 page not found")
    out = run_captioner(server, photograph, tmp_path / "out", ok=2)
    assert "404 page not found" in out
    assert f"asked at {server.url}/v1/chat/completions; most addresses end in /v1" in out


def capmas(server_url: str, tmp_path: Path, *more: str | Path) -> list[str | Path]:
    return ["run", "--task", "capmas", "--limit", "4", "--model", "rediff", "--steps", "10",
            "--judge", "m", "--judge-url", server_url, "--judge-cache", tmp_path / "cache", "--out",
            tmp_path / "out", *more]  # fmt: skip


@pytest.mark.parametrize("plan", [False, True])
def test_a_judge_that_cannot_be_asked_is_found_before_anything_is_captioned(
    plan: bool, server: Server, tmp_path: Path
) -> None:
    server.answer = lambda method, path, body: faults.status(401, "Incorrect API key")
    more = ["--plan"] if plan else []
    out = program(*capmas(f"{server.url}/v1", tmp_path, *more), ok=2, OPENAI_API_KEY="sk-mine")
    assert "the judge m cannot be asked: the server answered 401: Incorrect API key" in out
    assert len(server.seen) == 1
    assert not list((tmp_path / "out").glob("*.csv"))
    started = time.monotonic()
    out = program(*capmas("http://127.0.0.1:9/v1", tmp_path), ok=2, OPENAI_API_KEY="sk-mine")
    assert "Connection refused" in out
    assert time.monotonic() - started < 60


def test_a_judge_that_cannot_be_asked_ends_the_scoring_at_once(
    server: Server, tmp_path: Path
) -> None:
    captions = tmp_path / "theirs.json"
    ids = [f"scenes-test-0-{i:05d}" for i in range(6)]
    captions.write_text(json.dumps({name: f"a red square {name}" for name in ids}))
    server.answer = lambda method, path, body: faults.status(404, "no such model")
    arguments = ["score", captions, "--task", "capmas", "--limit", "6", "--judge", "m",
                 "--judge-url", f"{server.url}/v1", "--judge-cache", tmp_path / "cache",
                 "--judge-concurrency", "1", "--out", tmp_path / "out"]  # fmt: skip
    out = program(*arguments, ok=1, OPENAI_API_KEY="sk-mine")
    assert "m cannot be asked" in out
    assert len(server.seen) < 6


def test_a_cache_that_cannot_be_written_is_found_first(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    place = tmp_path / "file" / "cache"
    more = ["--judge-cache", place]
    out = program(*capmas(f"{server.url}/v1", tmp_path, *more), ok=2, OPENAI_API_KEY="sk-mine")
    assert f"replies cannot be kept in {place}" in out
    assert not server.seen


def test_a_judge_s_token_limit_is_an_option(server: Server, tmp_path: Path) -> None:
    asked: list[int] = []

    def answer(method: str, path: str, body: Any) -> Answer:
        asked.append(body["max_tokens"])
        return completion('{"score": 70, "reason": "x"}', 5)

    server.answer = answer
    captions = tmp_path / "theirs.json"
    captions.write_text(json.dumps({"scenes-test-0-00000": "a red square"}))
    with pytest.raises(TooManyFailuresError, match="coverage"):  # this judge knows one answer
        inside("score", captions, "--task", "capmas", "--limit", "1", "--judge", "m", "--judge-url",
               f"{server.url}/v1", "--judge-cache", tmp_path / "cache", "--judge-max-tokens", "33",
               "--out", tmp_path / "out")  # fmt: skip
    assert set(asked) == {33}
    assert "clair" in {row["metric"] for row in numbers(tmp_path / "out")}


def test_the_expert_is_the_same_client() -> None:
    recipe = Recipe.load(find_recipe("rediff-8b"))
    changed = with_expert(recipe, "m", "http://x/v1", max_tokens=99, key_env="MY_KEY")
    spec: Any = changed.stages["expert"]
    server = spec.server.spec()
    assert (server.model, server.max_tokens, server.key_env) == ("m", 99, "MY_KEY")


def test_a_probe_lets_a_rate_limit_pass(server: Server) -> None:
    server.answer = lambda method, path, body: faults.status(429, Retry_After="0.01")
    spec = ServerSpec(model="m", base_url=f"{server.url}/v1", pause=0.01)
    probe(spec, "the judge", with_picture=True)
    server.answer = lambda method, path, body: completion(None, 0)
    probe(spec, "the judge", with_picture=False)
