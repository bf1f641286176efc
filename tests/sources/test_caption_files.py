"""Captions that somebody else made, in every form."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from PIL import Image
from programs import OWN_PICTURES, inside, numbers

from rediff.data.caption_files import read_caption_file
from rediff.io.text_files import read_rows


def test_names_that_look_equal_join(tmp_path: Path) -> None:
    nfd = unicodedata.normalize("NFD", "café.png")
    place = tmp_path / "mine"
    place.mkdir()
    Image.new("RGB", (8, 8)).save(place / nfd)
    captions = tmp_path / "theirs.json"
    captions.write_text(json.dumps({unicodedata.normalize("NFC", nfd): "a dog"}))
    inside("score", captions, "--task", OWN_PICTURES, "--data", place, "--out", tmp_path / "bare")
    (place / "captions.jsonl").write_text(
        json.dumps({"image": unicodedata.normalize("NFC", nfd), "references": ["a dog"]})
    )
    inside("score", captions, "--task", OWN_PICTURES, "--data", place, "--out", tmp_path / "out")
    assert {row["n"] for row in numbers(tmp_path / "out")} == {"1"}
    captions.write_text(json.dumps({nfd: "x", unicodedata.normalize("NFC", nfd): "y"}))
    with pytest.raises(ValueError, match="duplicate id"):
        read_caption_file(captions)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "x", "b": "y"}',
        '[{"image_id": "a", "caption": "x"}, {"id": "b", "text": "y"}]',
        '{"id": "a", "caption": "x"}\n\n{"id": "b", "answer": "y"}\n',
        "id,caption\na,x\nb,y\n",
        '{"a": ["x"], "b": [{"caption": "y"}]}',
        "question_id;text\na;x\nb;y\n",
        '\ufeff{"id": "a", "caption": "x"}\n{"id": "b", "caption": "y"}',
    ],
)
def test_caption_files_of_every_form(text: str, tmp_path: Path) -> None:
    path = tmp_path / "file.of.any.name"
    path.write_text(text)
    assert read_caption_file(path).captions == {"a": "x", "b": "y"}


def test_ids_stay_the_text_that_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,caption\n007,x\nNA,y\n1e5,z\n=1+1,w\n")
    assert list(read_caption_file(path).captions) == ["007", "NA", "1e5", "=1+1"]
    path.write_text('[{"image_id": 7, "caption": "x"}, {"image_id": 7.5, "caption": "x"}]')
    read = read_caption_file(path)
    assert list(read.captions) == ["7"]
    assert "an id must be text or a whole number, got 7.5" in next(iter(read.broken.values()))
    path.write_text('{"id": NaN}\n{"id": 1, "x": Infinity}\n')
    assert [row.value for row in read_rows(path)] == [{"id": None}, {"id": 1, "x": None}]
