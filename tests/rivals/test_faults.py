"""Models that fail: the run continues, the sample is named, nothing is scored as empty."""

import json
import sys
from pathlib import Path

import pytest
from asking import about
from PIL import Image
from programs import capture, inside, numbers, program
from servers import Server, completion

from rediff.captioners import workers
from rediff.captioners.base import Decoding, Failure
from rediff.captioners.precomputed import PrecomputedCaptioner
from rediff.captioners.worker import GIVE_UP_AFTER, WorkerCaptioner
from rediff.captioners.worker_process import WorkerError, WorkerSpec
from rediff_eval.results.scoring import TooManyFailuresError

IMAGES = [Image.new("RGB", (8, 8), "red")] * 5
WORKER = f"""
import os, sys, time
sys.path.insert(0, {str(Path(workers.__file__).parent)!r})
from protocol import Hello, serve
def caption(request):
    print("chatter of a library")
    if request.id == "2":
        {{fault}}
    return {{{{"caption": f"caption {{{{request.id}}}}", "nfe": request.steps}}}}
serve(Hello("test", "test", length=8, steps=8), caption)
"""
FAULTS = {
    "os.write(replies, b'Loading checkpoint...\\n'); time.sleep(60)": "which is not JSON",
    'os.write(replies, b\'{"id": "3", "caption": "x"}\\n\')': "replied to '3', not to '2'",
    'os.write(replies, b\'{"id": "2", "note": 1}\\n\')': "malformed",
    "os.write(replies, b'x' * 3_000_000 + b'\\n')": "which is not JSON",
    "time.sleep(60)": "no reply of the worker within 1 s",
    "os._exit(3)": "the worker died (exit code 3)",
    "os.kill(os.getpid(), 9)": "the worker died (exit code -9)",
    "print('Out of memory', file=sys.stderr, flush=True); os._exit(1)": "Out of memory",
    "raise ValueError('no such picture')": "ValueError: no such picture",
    "return {'error': 'refused'}": "refused",
    "return {}": "neither caption nor error",
}


def worker(folder: Path, fault: str) -> WorkerSpec:
    """A worker that goes wrong at sample 2, in the way of `fault`."""
    source = WORKER.format(fault=fault.replace("replies", "replies_fd()"))
    source = source.replace("def caption", "replies_fd = lambda: 3\ndef caption", 1)
    (folder / "worker.py").write_text(source)
    return WorkerSpec(command=(sys.executable, str(folder / "worker.py")), timeout=1.0)


@pytest.mark.parametrize(("fault", "message"), FAULTS.items(), ids=range(len(FAULTS)))
def test_one_sample_fails_and_the_others_do_not(fault: str, message: str, tmp_path: Path) -> None:
    captioner = WorkerCaptioner(worker(tmp_path, fault))
    replies = captioner.caption(about(IMAGES), Decoding(steps=4))
    captioner.close()
    failed = replies.pop(2)
    assert isinstance(failed, Failure)
    assert message in failed.error
    assert [reply.text for reply in replies] == [f"caption {i}" for i in (0, 1, 3, 4)]
    assert {reply.nfe for reply in replies} == {4}


def test_a_worker_that_always_dies_is_left_alone(tmp_path: Path) -> None:
    spec = worker(tmp_path, "pass").model_copy(update={"timeout": 5.0})
    source = tmp_path / "worker.py"
    source.write_text(
        source.read_text()
        .replace('request.id == "2"', "True")
        .replace("        pass", "        os._exit(1)")
    )
    captioner = WorkerCaptioner(spec)
    replies = captioner.caption(about(IMAGES, ids=list("abcde")), Decoding())
    captioner.close()
    assert all(isinstance(reply, Failure) for reply in replies)
    assert "is not asked" not in str(replies[GIVE_UP_AFTER - 1])
    assert "is not asked" in str(replies[GIVE_UP_AFTER])


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["/no/such/program"], "cannot start the worker"),
        ([sys.executable, "-c", "print('hello')"], "it printed .hello. last"),
        ([sys.executable, "-c", "import sys; sys.exit('no GPU')"], "no GPU"),
        ([sys.executable, "-c", 'print(\'{"worker": 7, "name": "", "kind": ""}\')'], "7"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "within 1 s"),
    ],
)
def test_a_worker_that_does_not_greet(command: list[str], message: str) -> None:
    with pytest.raises(WorkerError, match=message):
        WorkerCaptioner(WorkerSpec(command=tuple(command), start_timeout=1.0))


def test_a_run_with_a_failing_worker_names_the_sample(tmp_path: Path) -> None:
    rows = [f'{{"image": "{name}.png", "references": ["a red square"]}}' for name in "ab"]
    for name in "ab":
        IMAGES[0].save(tmp_path / f"{name}.png")
    (tmp_path / "data.jsonl").write_text("\n".join(rows))
    worker(tmp_path, "pass")
    source = (tmp_path / "worker.py").read_text()
    (tmp_path / "worker.py").write_text(
        source.replace('"2"', '"b.png"').replace("        pass", "        os._exit(1)")
    )
    spec = tmp_path / "worker.yaml"
    spec.write_text(f"command: [{sys.executable}, worker.py]\n")
    arguments = ("--data", tmp_path / "data.jsonl", "--steps", "4")
    with pytest.raises(TooManyFailuresError, match=r"1 of 2 samples failed.*b\.png"):
        capture(f"worker:{spec}", tmp_path / "run", *arguments)
    assert {row["n"] for row in numbers(tmp_path / "run")} == {"1"}
    assert "b.png: the worker died" in (tmp_path / "run" / "leaderboard.md").read_text()
    capture(f"worker:{spec}", tmp_path / "run", *arguments, "--max-failures", "0.5")


def test_a_broken_worker_file_is_named(tmp_path: Path) -> None:
    spec = tmp_path / "w.yaml"
    for text, message in {
        "comand: [x]": "did you mean 'command'",
        "command: []": "command: ",
        "command: [": "not valid YAML",
    }.items():
        spec.write_text(text)
        with pytest.raises(ValueError, match=message):
            WorkerSpec.load(spec)


def test_a_server_that_fails(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    replies = iter(
        [
            completion("ready", 1),
            (500, {"retry-after-ms": "1"}, b""),
            (429, {"retry-after-ms": "1"}, b""),
            completion("fine after two errors.", 4),
            completion(None, 0),
            (400, {}, b'{"error": {"message": "no such picture"}}'),
            completion("cut off", 512, finish_reason="length"),
        ]
    )
    server.answer = lambda method, path, body: next(replies)
    arguments = ("--base-url", f"{server.url}/v1", "--batch-size", "1", "--max-failures", "0.5")
    lines = capture("openai:m", tmp_path / "run", *arguments)
    assert [line.get("text") for line in lines] == ["fine after two errors.", "cut off", None, None]
    assert lines[1]["truncated"]
    errors = " ".join(line.get("error", "") for line in lines)
    assert "the server's reply has no text" in errors
    assert "no such picture" in errors
    assert {row["n"] for row in numbers(tmp_path / "run")} == {"2"}


def test_a_missing_key_is_one_sentence(tmp_path: Path) -> None:
    output = program(
        "run", "--task", "capture", "--model", "openai:gpt-x", "--out", tmp_path, ok=2,
        OPENAI_API_KEY="",
    )  # fmt: skip
    assert output.startswith("Error: no key for gpt-x: set the environment variable")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "[1]", "expected an object"),
        ("a.json", '{"a": "x", "a": "y"}', "duplicate key 'a'"),
        ("a.json", '{"a": 1}', "caption of 'a' must be a string"),
        ("a.json", "{", "Expecting"),
        ("a.jsonl", '{"id": 1, "caption": "x"}\n{"id": 1}', r"a\.jsonl:2: duplicate id '1'"),
        (
            "a.jsonl",
            '{"id": 1, "caption": "x"}\n\n{"id": "1", "text": "x"}',
            r"a\.jsonl:3: duplicate id",
        ),
        ("a.jsonl", "nonsense", r"a\.jsonl:1: not valid JSON"),
    ],
)
def test_broken_caption_files_are_named(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        PrecomputedCaptioner.load(tmp_path / name)


def test_a_missing_caption_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "few.json"
    path.write_text(json.dumps({"elsewhere": "a red square"}))
    with pytest.raises(TooManyFailuresError, match="no caption in the file"):
        inside("run", "--task", "capture", "--limit", "2", "--model", f"captions:{path}", "--out",
               tmp_path / "run")  # fmt: skip
    assert "capture" not in {row["metric"] for row in numbers(tmp_path / "run")}
