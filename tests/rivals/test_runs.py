"""Every captioner through the one interface, through `rediff-eval run`."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_models
from asking import about
from PIL import Image
from programs import capture, inside, numbers
from servers import Server, completion

from rediff.captioners import workers
from rediff.captioners.base import Caption, Decoding, Failure
from rediff.captioners.known_models import known_models
from rediff.captioners.openai import OpenAICaptioner
from rediff.captioners.sources import find_model
from rediff.captioners.transformers_vlm import chat_inputs
from rediff.captioners.worker import WorkerCaptioner
from rediff.captioners.worker_process import WorkerSpec
from rediff.llm_client.server import ServerSpec
from rediff.models.processors import load_processor
from rediff.scenes.dataset import load_scenes


@pytest.mark.parametrize(
    "make",
    [tiny_models.make_llava, tiny_models.make_qwen, tiny_models.make_internvl],
    ids=["llava", "qwen2.5-vl", "internvl"],
)
def test_image_text_to_text_models(make: Callable[[Path], Path], tmp_path: Path) -> None:
    lines = capture(make(tmp_path / "model"), tmp_path / "run", "--max-tokens", "6")
    assert len(lines) == 4
    assert {line["sampler"] for line in lines} == {"greedy"}
    for line in lines:
        assert line["tokens"] <= 6
        assert line["truncated"] is (line["tokens"] == 6)
        assert line["nfe"] == line["tokens"] + (not line["truncated"])
    rows = numbers(tmp_path / "run")
    assert {row["steps"] for row in rows} == {"6"}
    assert {row["tokens_per_step"] for row in rows} == {"1"}


def test_a_batch_of_an_image_text_to_text_model_equals_its_samples(tmp_path: Path) -> None:
    model = tiny_models.make_qwen(tmp_path / "model")
    one, four = (
        capture(model, tmp_path / size, "--max-tokens", "6", "--batch-size", size)
        for size in ("1", "4")
    )
    assert [line["text"] for line in one] == [line["text"] for line in four]


def test_diffusion_gemma_has_a_step_axis(tmp_path: Path) -> None:
    model = tiny_models.make_diffusion_gemma(tmp_path / "model")
    first = capture(model, tmp_path / "a", "--steps", "6,2", "--max-tokens", "16")
    assert [line["steps"] for line in first] == [6] * 4 + [2] * 4
    assert {line["sampler"] for line in first} == {"entropy-bound"}
    assert all(1 <= line["nfe"] <= line["steps"] for line in first)
    second = capture(model, tmp_path / "b", "--steps", "6,2", "--max-tokens", "16")
    assert [line["text"] for line in second] == [line["text"] for line in first]
    capture(model, tmp_path / "c", "--max-tokens", "16", limit=1)
    assert numbers(tmp_path / "c")[0]["steps"] == "48"


def test_an_official_checkpoint_with_every_kind_of_sampler(tmp_path: Path) -> None:
    model = tiny_models.make_official(tmp_path / "model")
    samplers = ("rediff-official", "refine", "mask-predict", "llada-official,block_length=32")
    chosen = [part for name in samplers for part in ("--sampler", name)]
    lines = capture(model, tmp_path / "run", "--steps", "8", *chosen)
    assert [line["sampler"] for line in lines[::4]] == list(samplers)
    assert all(line["nfe"] <= 8 for line in lines)


def test_a_server(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    server.answer = lambda method, path, body: completion("a red square.", 4)
    lines = capture("openai:gpt-x", tmp_path / "run", "--base-url", f"{server.url}/v1")
    assert [line["text"] for line in lines] == ["a red square."] * 4
    assert [line["tokens"] for line in lines] == [4] * 4
    assert {row["steps"] for row in numbers(tmp_path / "run")} == {""}
    method, path, body = server.seen[1]  # the first was the probe
    assert (method, path, body["model"]) == ("POST", "/v1/chat/completions", "gpt-x")
    picture, question = body["messages"][0]["content"]
    assert picture["image_url"]["url"].startswith("data:image/png;base64,")
    assert question["text"] == "Please describe the image in detail."
    assert body["temperature"] == 0


DIALOGUE = ("what is this ?", "a square .", "and its colour ?")


def test_a_server_is_told_what_was_said(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    server.answer = lambda method, path, body: completion("red .", 2)
    captioner = OpenAICaptioner(ServerSpec(model="gpt-x", base_url=f"{server.url}/v1"))
    captioner.caption(about([Image.new("RGB", (8, 8))], [DIALOGUE]), Decoding())
    messages = server.seen[0][2]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    texts = [part["text"] for m in messages for part in m["content"] if part["type"] == "text"]
    assert tuple(texts) == DIALOGUE
    assert [part["type"] for m in messages for part in m["content"]].count("image_url") == 1


def test_a_chat_template_is_told_what_was_said(tmp_path: Path) -> None:
    processor = load_processor(tiny_models.make_qwen(tmp_path / "model"))
    images = [Image.new("RGB", (56, 56))] * 2
    rows = chat_inputs(processor, about(images, [DIALOGUE, ("what is this ?",)]))["input_ids"]
    plain = chat_inputs(processor, about(images[:1], [("what is this ?",)]))["input_ids"][0]
    assert rows[1].tolist()[-len(plain) :] == plain.tolist()
    assert len(rows[0]) > len(plain)


def test_a_worker_is_told_what_was_said_or_says_that_it_cannot_tell(tmp_path: Path) -> None:
    for takes in (True, False):
        (tmp_path / "worker.py").write_text(
            f"import sys; sys.path.insert(0, {str(Path(workers.__file__).parent)!r})\n"
            "from protocol import Hello, serve\n"
            "def caption(request):\n"
            "    return {'caption': ' | '.join([*request.before, request.prompt])}\n"
            f"serve(Hello('test', 'test'), caption, takes_dialogues={takes})\n"
        )
        command = (sys.executable, str(tmp_path / "worker.py"))
        captioner = WorkerCaptioner(WorkerSpec(command=command))
        images = [Image.new("RGB", (8, 8))] * 2
        requests = about(images, [DIALOGUE, ("this ?",)])
        said, single = captioner.caption(requests, Decoding())
        captioner.close()
        assert isinstance(single, Caption)
        assert single.text == "this ?"
        if takes:
            assert isinstance(said, Caption)
            assert said.text == " | ".join(DIALOGUE)
        else:
            assert isinstance(said, Failure)
            assert "only single questions" in said.error


def test_a_captions_file(tmp_path: Path) -> None:
    rows = load_scenes("test", 4, captions=1)
    captions = dict(zip(rows["id"], (text for (text,) in rows["captions"]), strict=True))
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps({i: f"{text}<|eot_id|>junk" for i, text in captions.items()}))
    lines = capture(f"captions:{path}", tmp_path / "run")
    assert {line["id"]: line["text"] for line in lines} == captions
    score = {row["metric"]: float(row["value"]) for row in numbers(tmp_path / "run")}
    assert score["hallucination"] == 0
    assert score["capture"] > 0.7
    assert {row["model"] for row in numbers(tmp_path / "run")} == {"theirs"}
    assert "nfe" not in score


def test_a_worker(tmp_path: Path) -> None:
    spec = tmp_path / "reference.yaml"
    script = Path(workers.__file__).parent / "reference.py"
    spec.write_text(json.dumps({"command": [sys.executable, str(script)]}))
    lines = capture(f"worker:{spec}", tmp_path / "run")
    assert all(line["text"].startswith("the picture is mostly ") for line in lines)
    assert {line["nfe"] for line in lines} == {1}


def test_every_known_model_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    inside("list", "models")
    table = capsys.readouterr().out
    for model in known_models():
        assert model.name in table
        assert model.licence in table
        assert model.runs in table
        if model.why_not() is None:
            assert find_model(model.id).where == model.id
            assert find_model(f"{model.name.lower()}@main:refine").sampler == "refine"
        else:
            with pytest.raises(ValueError, match=f"{model.name} (runs as a worker|does not run)"):
                find_model(model.name)
        assert model.template is None or model.template.is_file()
    assert find_model("llada-v-8b").sampler == "llada-official"
