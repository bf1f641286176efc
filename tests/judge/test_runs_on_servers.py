"""Captions, judges and experts on servers of every kind."""

from __future__ import annotations

import base64
import io
import json
import time
from pathlib import Path
from typing import Any

import faults
import pytest
from PIL import Image
from programs import inside, numbers, program
from servers import Answer, Server, completion, serving

from rediff.data.images import data_url, open_image
from rediff.llm_client.client import is_near
from rediff.training.overrides import with_expert
from rediff.training.recipe import Recipe
from rediff.training.recipe_files import find_recipe
from rediff_eval.results.scoring import TooManyFailuresError


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
