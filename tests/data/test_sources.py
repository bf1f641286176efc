"""Public training data in their own formats, small, made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from programs import inside
from tiny_models import word_level
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from rediff.data.alignment import AlignmentError, Spelled, align, find, fit
from rediff.data.formats import read_records
from rediff.data.mixture import Mixture, Source, Tally, mix, usable
from rediff.data.records import Dropped, Record, TextEdit, Turn
from rediff.data.store import RecordStore, write_store
from rediff.io import json_files
from rediff.io.json_files import iterate_json

WORDS = ["a", "red", "blue", "square", "circle", "big", "on", "the", "left", ".", "two"]
VICRIT = {
    "image": "train/0.jpg", "problem": "Describe it.", "changed_caption": "a blue square .",
    "original_caption": "a red square .", "solution_target": "blue", "solution_original": "red",
}  # fmt: skip
LLAVA = {
    "id": "1", "image": "1.jpg",
    "conversations": [
        {"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "a square"},
        {"from": "human", "value": "Where?"}, {"from": "gpt", "value": "on the left"},
    ],
}  # fmt: skip
REVISED = {
    "id": 0, "image": "0.jpg",
    "conversations": [
        {"from": "human", "value": "<image>\nDescribe it."},
        {"from": "gpt", "value": "a blue circle on the left ."},
    ],
    "revise": [{"org": "blue circle", "target": "red square"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=word_level(WORDS), unk_token="<unk>")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("0.jpg", "1.jpg"):
        Image.new("RGB", (8, 8)).save(folder / name)
    return folder


def write(path: Path, rows: list[Any]) -> Path:
    lines = "\n".join(map(json.dumps, rows))
    path.write_text(lines if path.suffix == ".jsonl" else json.dumps(rows, indent=2))
    return path


def test_each_format_is_read(tmp_path: Path, images: Path) -> None:
    path = write(tmp_path / "v.json", [VICRIT])
    (record,) = read_records("vicrit", path, images)
    assert record == Record(
        f"{path}:2, record 1", images / "0.jpg", (Turn("Describe it.", "a blue square ."),),
        (TextEdit("blue", "red"),),
    )  # fmt: skip
    (record,) = read_records("conversations", write(tmp_path / "l.json", [LLAVA]), images)
    assert isinstance(record, Record)
    assert record.turns == (Turn("What is it?", "a square"), Turn("Where?", "on the left"))
    (record,) = read_records("revisions", write(tmp_path / "r.json", [REVISED]), images)
    assert isinstance(record, Record)
    assert record.edits == (TextEdit("blue circle", "red square"),)
    plain = {"image": "1.jpg", "question": "What?", "answer": "a square"}
    (record,) = read_records("lines", write(tmp_path / "p.jsonl", [plain]), images)
    assert isinstance(record, Record)
    assert record.place == f"{tmp_path / 'p.jsonl'}:1"


@pytest.mark.parametrize(
    ("form", "change", "reason", "broken"),
    [
        ("vicrit", {"image": "9.jpg"}, "no picture", True),
        ("vicrit", {"solution_target": None}, "'solution_target' must be a string", True),
        ("vicrit", {"problem": ...}, "no 'problem'", True),
        ("conversations", {"image": ...}, "no picture", False),
        ("conversations", {"image": "../../etc/passwd"}, "lies outside", True),
        ("conversations", {"conversations": []}, "must be pairs", True),
        ("conversations", {"conversations": [{"from": "gpt", "value": "a"}] * 2}, "'human'", True),
        ("revisions", {"revise": "right"}, "must be a list of objects", True),
        ("revisions", {"revise": [{"org": "a"}]}, "no 'target'", True),
    ],
)
def test_a_bad_record_is_named_and_said_why(
    form: Any, change: dict[str, Any], reason: str, broken: bool, tmp_path: Path, images: Path
) -> None:
    whole = {"vicrit": VICRIT, "conversations": LLAVA, "revisions": REVISED}[form]
    row = {k: v for k, v in {**whole, **change}.items() if v is not ...}
    path = write(tmp_path / "x.jsonl", [whole, row, 7])
    good, bad, number = read_records(form, path, images)
    assert isinstance(good, Record)
    assert isinstance(bad, Dropped)
    assert (bad.place, bad.broken) == (f"{path}:2", broken)
    assert reason in bad.reason
    assert number == Dropped(f"{path}:3", "no object")


@given(
    st.lists(
        st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers(), max_size=4),
        max_size=12,
    ),
    st.sampled_from([None, 2]),
    st.integers(1, 40),
)
@settings(max_examples=60, deadline=None)
def test_arrays_of_any_size_are_read_in_pieces(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], indent: int | None, chunk: int
) -> None:
    path = tmp_path_factory.mktemp("a") / "a.json"
    path.write_text(json.dumps(rows, indent=indent), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_files, "CHUNK", chunk)
        found = list(iterate_json(path))
    assert [value for _, value in found] == rows
    text = path.read_text().split("\n")
    assert all(text[line - 1].lstrip(" [,").startswith("{") for line, _ in found)


@pytest.mark.parametrize(
    ("text", "message"),
    [('[{"a": 1},\n{"b"', ":2: not valid JSON"), ('7', ":1: expected a JSON array"),
     ("", ":1: not valid JSON"), ('[{"a": 1}', "not valid JSON")],
)  # fmt: skip
def test_an_array_that_breaks_off_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=rf"a\.json{message}" if message[0] == ":" else message):
        list(iterate_json(tmp_path / "a.json"))
    with pytest.raises(FileNotFoundError, match="no data file"):
        iterate_json(tmp_path / "b.json")


def test_edits_are_aligned_by_the_tokenizer(tokenizer: Any) -> None:
    found = align(tokenizer, "a blue square .", [TextEdit("blue", "red")])
    words = [tokenizer.convert_ids_to_tokens(list(ids)) for ids in (found.tokens, found.target)]
    assert words == [["a", "blue", "square", "."], ["a", "red", "square", "."]]
    for answer, edit, reason in (
        ("a blue square", TextEdit("blue", "big red"), "unequal token counts"),
        ("a blue square", TextEdit("green", "red"), "segment not found"),
        ("a bluest square", TextEdit("blue", "red"), "segment not found"),
        ("a blue square on a blue circle", TextEdit("blue", "red"), "found several times"),
    ):
        with pytest.raises(AlignmentError, match=reason):
            align(tokenizer, answer, [edit])
    twice = align(
        tokenizer, "a blue square on a blue circle", [TextEdit("blue", "red")], first=True
    )
    assert [a != b for a, b in zip(twice.tokens, twice.target, strict=True)].index(True) == 1


def byte_tokenizer() -> Any:
    """Every byte a token, but for a few words."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(BPE({token: i for i, token in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend)


@given(st.text("aé😀 ", max_size=6), st.sampled_from("é😀x"), st.sampled_from("öß🙂y"))
def test_characters_of_several_tokens_are_replaced_whole(
    around: str, wrong: str, right: str
) -> None:
    tokenizer, answer = byte_tokenizer(), f"{around} {wrong} {around}"
    for spelled in (
        Spelled.of_text(tokenizer, answer),
        Spelled.of_ids(tokenizer, tokenizer(answer)["input_ids"]),
    ):
        try:
            place = find(answer, TextEdit(wrong, right, 1))
            ids = fit(tokenizer, spelled, place, right)
        except AlignmentError:
            continue
        tokens = [*spelled.ids]
        tokens[spelled.tokens_of(*place)] = ids
        assert tokenizer.decode(tokens) == answer[: place[0]] + right + answer[place[1] :]


def test_a_draft_may_end_within_a_character() -> None:
    tokenizer = byte_tokenizer()
    spelled = Spelled.of_ids(tokenizer, tokenizer("a é")["input_ids"][:-1])
    assert spelled.text == "a \ufffd"
    with pytest.raises(AlignmentError):
        fit(tokenizer, spelled, find(spelled.text, TextEdit("\ufffd", "xy")), "xy")


def spec(tmp_path: Path, images: Path, tokenizer: Any, **more: Any) -> Path:
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    unequal = {**VICRIT, "solution_original": "big red"}
    write(tmp_path / "v.json", [VICRIT, unequal, *[VICRIT] * 5])
    write(tmp_path / "l.json", [*[LLAVA] * 3, {**LLAVA, "image": None}])
    sources = {
        "vicrit": {"format": "vicrit", "path": "v.json", "images": "images", "count": 6, **more},
        "llava": {"format": "conversations", "path": "l.json", "images": "images"},
    }
    path = tmp_path / "spec.yaml"
    path.write_text(json.dumps({"tokenizer": "tokenizer", "sources": sources}))
    return path


def test_a_mixture_is_even_and_any_of_its_records_can_be_taken(
    tmp_path: Path, images: Path, tokenizer: Any
) -> None:
    mixture = Mixture.load(spec(tmp_path, images, tokenizer))
    tallies = {name: Tally() for name in mixture.sources}
    whole = list(mix(mixture, tokenizer, tallies))
    assert [stored.source for stored in whole] == [
        "vicrit", "llava", "vicrit", "vicrit", "llava", "vicrit", "vicrit", "llava", "vicrit",
    ]  # fmt: skip
    assert list(mix(mixture, tokenizer)) == whole
    assert (tallies["vicrit"].records, tallies["vicrit"].dropped.total()) == (6, 1)
    assert (tallies["llava"].records, tallies["llava"].dropped.total()) == (3, 1), "after the last"
    assert {(stored.tokens, stored.size) for stored in whole} == {(4, (8, 8)), (5, (8, 8))}
    assert write_store(tmp_path, whole) == len(whole)
    store = RecordStore(tmp_path)
    assert [store[number] for number in range(len(store))] == whole
    assert store[2:4] == whole[2:4]
    with pytest.raises(ValueError, match="no usable record"):
        write_store(tmp_path, [])


def test_too_few_or_too_many_broken_records_are_errors(
    tmp_path: Path, images: Path, tokenizer: Any
) -> None:
    mixture = Mixture.load(spec(tmp_path, images, tokenizer, count=7))
    with pytest.raises(ValueError, match="has 6 usable records, but `count` asks for 7"):
        list(mix(mixture, tokenizer))
    path = write(tmp_path / "bad.jsonl", [LLAVA, {}, LLAVA])
    source = Source(format="conversations", path=path, images=images)
    assert len(list(usable(source, tokenizer, Tally()))) == 2  # text alone is left out, not broken
    path = write(tmp_path / "bad.jsonl", [LLAVA, {**LLAVA, "image": "9.jpg"}, LLAVA])
    with pytest.raises(
        ValueError, match=r"1 of 3 records are broken, 1\.0% may be; the first, .*:2"
    ):
        list(usable(source, tokenizer, Tally()))
    lenient = source.model_copy(update={"max_broken": 0.5})
    assert len(list(usable(lenient, tokenizer, Tally()))) == 2


def test_unknown_keys_are_suggested(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("tokenizer: x\nsources: {a: {formt: vicrit}}")
    with pytest.raises(ValueError, match="did you mean 'format'"):
        Mixture.load(tmp_path / "s.yaml")


def test_the_check_prints_what_there_is(
    tmp_path: Path, images: Path, tokenizer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    inside("data", "check", spec(tmp_path, images, tokenizer))
    out = capsys.readouterr().out
    assert "unequal token counts" in out
    assert "v.json:10" in out
    row = next(line for line in out.splitlines() if "vicrit" in line)
    assert [part.strip() for part in row.split("│")[2:4]] == ["6", "24"]
