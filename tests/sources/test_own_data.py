"""The user's own data in every form that people have it, and what is wrong with it."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image
from programs import OWN_PICTURES, inside, numbers, program
from pyarrow import parquet
from sample_sets import samples_of

from rediff.data.images import open_image
from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.benchmarks.task import load_task

TASK = load_task("captions")
TEXTS = ("a red circle stands .", "a green square lies .", "a blue star hangs .", "a dog parks .")


def load(data: Path, allowed: float = 0.0) -> SampleSet:
    return samples_of(TASK, None, data, allowed=allowed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures."""
    place = tmp_path / "mine"
    place.mkdir()
    for number, colour in enumerate(("red", "green", "blue", "yellow")):
        Image.new("RGB", (16, 16), colour).save(place / f"{number}.png")
    return place


def listing(key: str = "references", image: str = "image") -> list[dict[str, Any]]:
    return [
        {image: f"{i}.png", key: [text] if key.endswith("s") else text}
        for i, text in enumerate(TEXTS)
    ]


def as_lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("key", ["references", "captions", "caption", "text"])
@pytest.mark.parametrize("image", ["image", "file_name", "image_path"])
@pytest.mark.parametrize("name", ["captions.jsonl", "captions.json", "metadata.jsonl"])
def test_references_are_read_under_every_usual_key(
    key: str, image: str, name: str, folder: Path
) -> None:
    (folder / name).write_text(as_lines(listing(key, image)))
    samples = load(folder)
    assert [s.references for s in samples.samples] == [(text,) for text in TEXTS]
    assert samples.notes == ()


def test_keys_and_files_that_are_not_read_are_named(folder: Path) -> None:
    rows = [{**row, "foo": 1} for row in listing("caption")]
    (folder / "captions.jsonl").write_text(as_lines(rows))
    (folder / "metadata.csv").write_text("file_name,text\n0.png,x\n")
    notes = " ".join(load(folder).notes)
    assert "keys not read: foo" in notes
    assert "not read, since captions.jsonl is: metadata.csv" in notes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("form", ["array", "lines", "csv", "tsv"])
def test_what_a_file_is_its_content_says(encoding: str, form: str, folder: Path) -> None:
    rows = listing("caption")
    text = {"array": json.dumps(rows, indent=1), "lines": as_lines(rows)}.get(form, "")
    if form in ("csv", "tsv"):
        file = io.StringIO()
        writer = csv.DictWriter(file, list(rows[0]), delimiter="," if form == "csv" else "\t")
        writer.writeheader()
        writer.writerows(rows)
        text = file.getvalue()
    path = folder / "list.dat"
    path.write_bytes(text.encode(encoding))
    if encoding == "utf-16-le":  # no mark says so
        with pytest.raises(ValueError, match=r"list\.dat.*save it as UTF-8"):
            load(path)
    else:
        assert [s.references for s in load(path).samples] == [(text,) for text in TEXTS]


@pytest.mark.parametrize(
    "text",
    [
        '[\n{"image": "0.png"}\n]',
        '[{"image": "0.png"}\n,{"image": "1.png"}\n]',
        "\n\nimage,text\n0.png,a\n",
        '[{"image": "0.png"}]',
    ],
)
def test_arrays_and_tables_however_they_are_broken_into_lines(text: str, folder: Path) -> None:
    (folder / "list").write_text(text)
    assert {s.broken for s in load(folder / "list").samples} == {None}


def test_what_is_no_name_of_a_file_breaks_its_entry_alone(folder: Path) -> None:
    rows: list[Any] = [*listing(), {"image": "A" * 5000}, {"image": "a\0b"}]
    (folder / "captions.jsonl").write_text(as_lines(rows))
    os.mkfifo(folder / "pipe")
    (folder / "dangling").symlink_to(folder / "nowhere")
    assert [bool(s.broken) for s in load(folder, allowed=0.5).samples] == [False] * 4 + [True] * 2
    (folder / "captions.jsonl").unlink()
    samples = load(folder)
    assert len(samples.samples) == 4
    assert "2 files not read: 2 without a suffix" in " ".join(samples.notes)


def test_notes_do_not_depend_on_the_limit(folder: Path) -> None:
    (folder / ".hidden").write_text("x")
    assert "1 hidden files left out" in " ".join(samples_of(TASK, 1, folder).notes)
    rows = [{**row, "references": None, "text": "other"} for row in listing("caption")]
    (folder / "captions.jsonl").write_text(as_lines(rows))
    samples = samples_of(TASK, 2, folder)
    assert samples.samples[0].references == (TEXTS[0],)
    assert samples.notes == (f"{folder / 'captions.jsonl'}: keys not read: text",)


def test_another_encoding_is_named_with_its_line(folder: Path) -> None:
    (folder / "captions.jsonl").write_bytes(
        as_lines(listing()).encode() + b'{"caption": "caf\xe9"}'
    )
    with pytest.raises(ValueError, match=r"captions\.jsonl:5: not valid UTF-8"):
        load(folder)


COCO = {
    "images": [{"id": i, "file_name": f"COCO_val2014_{i:012d}.png"} for i in range(4)],
    "annotations": [{"id": 10 + i, "image_id": i, "caption": t} for i, t in enumerate(TEXTS)],
}


def test_coco_annotations_and_results(folder: Path, tmp_path: Path) -> None:
    for i in range(4):
        (folder / f"{i}.png").rename(folder / f"COCO_val2014_{i:012d}.png")
    (folder / "captions_val2014.json").write_text(json.dumps(COCO))
    results = tmp_path / "results.json"
    results.write_text(json.dumps([{"image_id": i, "caption": t} for i, t in enumerate(TEXTS)]))
    inside("run", "--task", OWN_PICTURES, "--data", folder, "--model", f"captions:{results}",
           "--out", tmp_path / "run")  # fmt: skip
    assert {row["n"] for row in numbers(tmp_path / "run")} == {"4"}
    for number, data in enumerate((folder, folder / "captions_val2014.json")):
        out = tmp_path / f"out{number}"
        inside("score", results, "--task", OWN_PICTURES, "--data", data, "--out", out)
        found = {row["metric"]: row for row in numbers(out)}
        assert float(found["bleu4"]["value"]) == pytest.approx(1.0)
        assert found["bleu4"]["n"] == "4"


def test_a_table_is_read_from_its_file_and_not_from_a_cache(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    (tmp_path / "._a.parquet").write_bytes(b"what another system keeps beside it")
    found = []
    for text in ("first text", "second text"):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, format="PNG")
        rows = [{"id": "007", "image": {"bytes": buffer.getvalue(), "path": None}, "caption": text}]
        parquet.write_table(pa.Table.from_pylist(rows), path)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        samples = load(path)
        assert load(tmp_path).digest == samples.digest
        found.append((samples.samples[0].id, samples.samples[0].references, samples.digest))
    assert [(name, refs) for name, refs, _ in found] == [
        ("007", ("first text",)), ("007", ("second text",)),
    ]  # fmt: skip
    assert found[0][2] != found[1][2]


def test_a_sample_without_references_is_listed_and_the_rest_is_scored(
    folder: Path, tmp_path: Path
) -> None:
    rows = listing()
    rows[3]["references"] = [" "]
    (folder / "captions.jsonl").write_text(as_lines(rows))
    captions = tmp_path / "theirs.json"
    captions.write_text(json.dumps({f"{i}.png": text for i, text in enumerate(TEXTS)}))
    out = program("score", captions, "--task", OWN_PICTURES, "--data", folder, "--out",
                  tmp_path / "out")  # fmt: skip
    assert "capture-lite: 1 of 4 samples left out: 3.png (needs references)" in out
    found = {row["metric"]: row for row in numbers(tmp_path / "out")}
    assert {found[name]["n"] for name in ("bleu4", "capture_lite")} == {"3"}
    assert found["bleu4"]["unscored"] == "1"
    with (tmp_path / "out" / "samples.csv").open() as file:
        values = {row["id"]: row["bleu4"] for row in csv.DictReader(file)}
    assert values["3.png"] == ""
    assert float(values["0.png"]) == pytest.approx(1.0)


def test_no_references_at_all_is_said_before_captioning(folder: Path, tmp_path: Path) -> None:
    out = program("run", "--task", "captions", "--data", folder, "--model", "rediff", "--steps",
                  "4", "--out", tmp_path / "out")  # fmt: skip
    said = out.index("ngram will not be run: needs references, and no sample has any")
    assert "rediff was trained on the embedded scenes alone" in out
    assert said >= 0
    page = (tmp_path / "out" / "leaderboard.md").read_text()
    assert "was trained on the embedded scenes alone" in page


def test_pictures_are_known_by_content_and_what_is_not_read_is_counted(folder: Path) -> None:
    for name in ("b.jfif", "c.jpe", "F.JPEG"):
        Image.new("RGB", (16, 16)).save(folder / name, format="JPEG")
    (folder / "0.png").rename(folder / "no suffix")
    (folder / "e.heic").write_bytes(b"\0\0\0 ftypheic")
    (folder / "g.ppm").write_bytes(b"P6 1 1 255 abc")
    for name in ("._0.png", ".DS_Store"):
        (folder / name).write_bytes(b"x")
    (folder / "deeper").mkdir()
    (folder / "folder.png").mkdir()
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    samples = load(folder, allowed=0.2)
    names = [s.id for s in samples.samples]
    assert names == [
        "1.png",
        "2.png",
        "3.png",
        "F.JPEG",
        "b.jfif",
        "c.jpe",
        "gone.png",
        "no suffix",
    ]
    assert [s.id for s in samples.samples if s.broken] == ["gone.png"]
    notes = " ".join(samples.notes)
    assert "2 hidden files left out" in notes
    assert "2 folders not entered: deeper, folder.png" in notes
    assert "2 files not read: 1 .heic, 1 .ppm" in notes


def test_a_broken_entry_costs_itself_alone_up_to_the_share(folder: Path) -> None:
    rows: list[Any] = [*listing(), {"image": "gone.png"}, {"image": "1.png", "id": 1.5}]
    (folder / "captions.jsonl").write_text(as_lines(rows) + "{broken\n")
    samples = load(folder, allowed=0.5)
    assert [bool(s.broken) for s in samples.samples] == [False] * 4 + [True] * 3
    assert "captions.jsonl:7: not valid JSON" in str(samples.samples[6].broken)
    with pytest.raises(ValueError, match=r"3 of 7 entries cannot be used .*gone\.png: no|no image"):
        load(folder)


def test_half_a_character_costs_one_character(folder: Path, tmp_path: Path) -> None:
    captions = tmp_path / "theirs.json"
    texts = {f"{i}.png": text for i, text in enumerate(TEXTS)}
    captions.write_text(json.dumps({**texts, "1.png": TEXTS[1] + "\ud83d"}))
    (folder / "captions.jsonl").write_text(
        as_lines(listing()).replace("a blue star", "a \\ud83d star")
    )
    inside("score", captions, "--task", "captions", "--data", folder, "--out", tmp_path / "out")
    assert {"bleu4", "meteor", "rouge_l", "cider"} <= {
        row["metric"] for row in numbers(tmp_path / "out")
    }
    line = (tmp_path / "out" / "captions.jsonl").read_text().splitlines()[1]
    assert json.loads(line)["text"].endswith("\ufffd")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_transparent_is_white(mode: str, tmp_path: Path) -> None:
    drawing = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    drawing.putpixel((4, 4), (0, 0, 0, 255))
    path = tmp_path / "line.png"
    (drawing.convert("LA") if mode == "LA" else drawing).save(path)
    if mode == "PA":
        drawing.quantize().save(path)
    image = open_image(path)
    assert image.getpixel((0, 0)) == (255, 255, 255)
    assert image.getpixel((4, 4)) == (0, 0, 0)
