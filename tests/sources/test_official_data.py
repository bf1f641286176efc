"""The benchmarks' own data, in miniature, read by the real loaders."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from PIL import Image
from programs import inside, numbers
from sample_sets import samples_of
from servers import Answer, completion, serving

from rediff_eval.benchmarks.caparena import load_caparena
from rediff_eval.benchmarks.capmas import load_capmas
from rediff_eval.benchmarks.detailcaps import load_detailcaps
from rediff_eval.benchmarks.task import load_task

MODELS = ("GPT-4o-0806", "CogVLM2-llama3-chat-19B", "MiniCPM-V2.6-8B")


def picture(colour: str, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (12, 8), colour).save(buffer, format=kind)
    return buffer.getvalue()


def make_detailcaps(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "image": f"coco/{i}.jpg", "binary": picture(colour), "source": "x",
            "GT_Caption_GPT4O": f"a {colour} square",
            "GT_Caption_GPT4V": f"there is a {colour} square",
            "GT_Caption_Gemini15Pro": f"the picture shows a {colour} square",
        }
        for i, colour in enumerate(("red", "blue", "green"))
    ]  # fmt: skip
    Dataset.from_list(rows).to_parquet(folder / "test-00000-of-00001.parquet")
    return folder


def make_capmas(folder: Path) -> Path:
    (folder / "data" / "COVERAGE_TEST_VQA").mkdir(parents=True)
    (folder / "images").mkdir()
    lines = []
    for name in ("aar_test_04600", "test_00000"):
        lines.append({"dataset": "DOCCI", "image": name, "caption": f"a red square {name}"})
        (folder / "images" / f"{name}.jpg").write_bytes(picture("red"))
        questions = {
            "questions": ["What is red?\nA) a square\nB) a dog"] * 2,
            "answers": ["A", "c"],
        }
        (folder / "data" / "COVERAGE_TEST_VQA" / f"{name}.json").write_text(json.dumps(questions))
    (folder / "data" / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    return folder


def make_caparena(folder: Path) -> Path:
    (folder / "images").mkdir(parents=True)
    table = {}
    for i, model in enumerate(MODELS):
        (folder / "images" / f"{i}.jpg").write_bytes(picture("red"))
        captions = {"human": "a red square", **{m: f"{m} says red" for m in MODELS}}
        table[f"{i}.jpg"] = {"captions": captions, "ref_model": model}
    (folder / "caparena_auto_600.json").write_text(json.dumps(table))
    return folder


def test_detailcaps(tmp_path: Path) -> None:
    samples = load_detailcaps(make_detailcaps(tmp_path))
    assert [sample.id for sample in samples] == ["coco/0.jpg", "coco/1.jpg", "coco/2.jpg"]
    assert samples[1].references[0] == "a blue square"
    assert samples[0].open().size == (12, 8)
    assert len({sample.digest for sample in samples}) == 3


def test_later_revisions_of_detailcaps_are_left_alone(tmp_path: Path) -> None:
    make_detailcaps(tmp_path)
    (tmp_path / "DetailCaps-4870_refined_EN.parquet").write_bytes(b"other")
    assert len(load_detailcaps(tmp_path)) == 3


def test_capmas(tmp_path: Path) -> None:
    samples = load_capmas(make_capmas(tmp_path))
    assert [sample.id for sample in samples] == ["aar_test_04600.jpg", "test_00000.jpg"]
    assert [question.answer for question in samples[0].questions] == ["A", "c"]
    url = samples[0].data_url()
    assert url.startswith("data:image/jpeg;base64,")


def test_caparena(tmp_path: Path) -> None:
    samples = load_caparena(make_caparena(tmp_path))
    assert [sample.rival.model for sample in samples if sample.rival] == list(MODELS)
    assert samples[0].references == ("a red square",)


def drop(path: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / path).unlink()


def write(path: str, text: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / path).write_text(text)


@pytest.mark.parametrize(
    ("make", "spoil", "message"),
    [
        (make_detailcaps, drop("test-00000-of-00001.parquet"), "foundation-multimodal-models"),
        (make_detailcaps, write("test-00000-of-00001.parquet", "x"), "cannot be read as parquet"),
        (make_capmas, drop("data/data.jsonl"), "adobe-research/CapMAS"),
        (make_capmas, write("data/data.jsonl", "{"), r"data\.jsonl:1: not valid JSON"),
        (make_capmas, write("data/data.jsonl", '{"image": "a"}'), r"jsonl:1: expected 'image' and"),
        (make_capmas, drop("images/test_00000.jpg"), r"no .*test_00000\.jpg; check out"),
        (make_capmas, drop("data/COVERAGE_TEST_VQA/test_00000.json"), r"no .*test_00000\.json"),
        (
            make_capmas,
            write("data/COVERAGE_TEST_VQA/test_00000.json", '{"questions": ["a"], "answers": []}'),
            "expected as many 'questions' as 'answers'",
        ),
        (make_caparena, drop("caparena_auto_600.json"), "its readme links it"),
        (make_caparena, drop("images/2.jpg"), r"no .*2\.jpg"),
        (
            make_caparena,
            write("caparena_auto_600.json", '{"0.jpg": {"captions": {"human": "a"}}}'),
            r"0\.jpg: no caption by the reference model None",
        ),
        (
            make_caparena,
            write(
                "caparena_auto_600.json",
                '{"0.jpg": {"captions": {"human": "a"}, "ref_model": "human"}}',
            ),
            "no caption by the reference model 'human'",
        ),
        (make_caparena, write("caparena_auto_600.json", "[]"), "expected an object of pictures"),
    ],
)
def test_what_is_missing_or_broken_is_one_clear_sentence(
    make: Any, spoil: Any, message: str, tmp_path: Path
) -> None:
    folder = make(tmp_path / "data")
    spoil(folder)
    task = load_task(TASKS[make])
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        samples_of(task, None, None, folder)


def test_one_bad_entry_costs_itself_alone(tmp_path: Path) -> None:
    folder = make_capmas(tmp_path / "data")
    drop("images/test_00000.jpg")(folder)
    samples = samples_of(load_task("capmas"), None, None, folder, allowed=0.5).samples
    assert [bool(sample.broken) for sample in samples].count(True) == 1
    with pytest.raises(ValueError, match=r"test_00000\.jpg; check out"):
        next(sample for sample in samples if sample.broken).open()


def test_official_data_are_used_when_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = load_task("capture")
    assert samples_of(task, 2, None).name == "scenes-1-test"
    monkeypatch.setenv("REDIFF_EVAL_DATA", str(tmp_path))
    assert samples_of(task, 2, None).name == "scenes-1-test"
    make_detailcaps(tmp_path / "capture")
    official = samples_of(task, 2, None)
    assert (official.name, official.kind, len(official.samples)) == (
        "DetailCaps-4870, first 2", "official", 2,
    )  # fmt: skip
    assert samples_of(task, None, None).title.startswith("DetailCaps-4870#")


def test_a_task_without_data_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="task captions needs your own pictures: --data"):
        samples_of(load_task("captions"), None, None)
    with pytest.raises(ValueError, match="has no official data"):
        samples_of(load_task("captions"), None, None, tmp_path)


TASKS = {make_detailcaps: "capture", make_capmas: "capmas", make_caparena: "caparena"}


def theirs(folder: Path, ids: list[str]) -> Path:
    path = folder / "theirs.json"
    path.write_text(json.dumps(dict.fromkeys(ids, "a red square on a blue field")))
    return path


def test_detailcaps_through_the_program(tmp_path: Path) -> None:
    data = make_detailcaps(tmp_path / "data")
    file = theirs(tmp_path, ["coco/0.jpg", "coco/1.jpg", "coco/2.jpg"])
    inside("score", file, "--task", "capture", "--data-dir", data, "--out", tmp_path / "a")
    found = {row["metric"] for row in numbers(tmp_path / "a")}
    assert "capture_lite" in found
    assert "capture" not in found  # FACTUAL's checkpoint was not named
    manifest = json.loads((tmp_path / "a" / "results.json").read_text())["manifest"]
    assert manifest["data"]["name"] == "DetailCaps-4870"
    page = (tmp_path / "a" / "leaderboard.md").read_text()
    assert "DetailCaps-4870" in page
    assert "--factual lizhuang144/flan-t5-base-VG-factual-sg" in page


def test_capmas_and_caparena_by_a_server(tmp_path: Path) -> None:
    with serving() as server:

        def answer(method: str, path: str, body: Any) -> Answer:
            system = body["messages"][0]["content"][0]["text"]
            asked = body["messages"][-1]["content"]
            if "Reason:" in system:
                assert asked[0]["image_url"]["url"].startswith("data:image/jpeg;base64,")
                assert asked[0]["image_url"]["detail"] == "high"
                return completion("Reason: x\nJudgment: Caption 1 is better", 5)
            if "True or False" in system:
                assert "detail" not in asked[1]["image_url"]
                return completion("1. True\n2. False", 5)
            if "single statements" in system:
                return completion("1. There is a square.\n2. It is red.", 5)
            if "lettered options" in system:
                return completion("0. A\n1. B", 5)
            return completion('{"score": 70, "reason": "x"}', 5)

        server.answer = answer
        judge = ["--judge", "gpt-x", "--judge-url", f"{server.url}/v1", "--judge-cache",
                 str(tmp_path / "cache")]  # fmt: skip
        data = make_capmas(tmp_path / "capmas")
        file = theirs(tmp_path, ["aar_test_04600.jpg", "test_00000.jpg"])
        inside(
            "score", file, "--task", "capmas", "--data-dir", data, "--out", tmp_path / "a", *judge
        )
        found = {row["metric"]: float(row["value"]) for row in numbers(tmp_path / "a")}
        assert (found["clair"], found["coverage"], found["factuality"]) == (0.7, 0.5, 0.5)
        data = make_caparena(tmp_path / "caparena")
        file = theirs(tmp_path, ["0.jpg", "1.jpg", "2.jpg"])
        inside("score", file, "--task", "caparena", "--data-dir", data, "--out", tmp_path / "b",
               *judge)  # fmt: skip
        # A judge that always takes the first caption is a tie in both orders.
        assert {row["metric"]: row["value"] for row in numbers(tmp_path / "b")}["caparena"] == "0"


def test_own_pictures_as_parquet(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "image": {"bytes": picture("red", "PNG"), "path": None}, "captions": ["red"]},
        {"id": "b", "image": {"bytes": picture("blue", "PNG"), "path": None}, "captions": ["blue"]},
    ]
    (tmp_path / "own").mkdir()
    Dataset.from_list(rows).to_parquet(tmp_path / "own" / "part.parquet")
    task = load_task("captions")
    for data in (tmp_path / "own", tmp_path / "own" / "part.parquet"):
        samples = samples_of(task, None, data)
        assert [sample.id for sample in samples.samples] == ["a", "b"]
        assert samples.samples[1].references == ("blue",)
        assert samples.samples[1].open().getpixel((0, 0)) == (0, 0, 255)
    shards = tmp_path / "shards"
    shards.mkdir()
    for name in ("p0", "p1"):
        part = [{key: row[key] for key in ("image", "captions")} for row in rows]
        Dataset.from_list(part).to_parquet(shards / f"{name}.parquet")
    assert [s.id for s in samples_of(task, None, shards).samples] == ["0", "1", "2", "3"]
    Dataset.from_list([{"id": "a"}]).to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(ValueError, match="expected a column 'image'"):
        samples_of(task, None, tmp_path / "bad.parquet")
    with pytest.raises(FileNotFoundError, match="cannot load the data set someone/pictures@abc"):
        samples_of(task, None, Path("someone/pictures@abc"))
