"""Things that look alike are told apart, and what goes wrong stays small."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest
from asking import about
from browsing import packed_data
from PIL import Image
from programs import capture, inside
from servers import Server, serving

from rediff.captioners.base import Caption, CaptionRequest, Decoding, Failure
from rediff.captioners.precomputed import PrecomputedCaptioner
from rediff.captioners.sources import ModelSource, distinct, find_model
from rediff.io.rank import Rank
from rediff.llm_client.server import ServerSpec
from rediff_eval.benchmarks.load import DataConfig, load_samples
from rediff_eval.benchmarks.task import load_task
from rediff_eval.captioning.caption_store import StoredCaption, open_store
from rediff_eval.captioning.runner import ask
from rediff_eval.sanitize import without_secrets
from rediff_eval.views.leaderboard import load, rankings


def test_models_of_one_name_are_called_by_where_they_are() -> None:
    one, two = ModelSource("caps", "captions", "a/caps.json"), ModelSource("caps", "captions", "b")
    assert [m.name for m in distinct([one, two, one])] == ["a/caps.json", "b"]
    same = [find_model("rediff"), find_model("rediff:mask-predict"), find_model("rediff")]
    assert [(m.name, m.sampler) for m in distinct(same)] == [
        ("rediff", None), ("rediff", "mask-predict"),
    ]  # fmt: skip


def test_a_cell_asked_for_twice_is_one(untrained: Path, tmp_path: Path) -> None:
    model = str(untrained / "diffusion")
    lines = capture(model, tmp_path, "--model", f"{model}:mask-predict", "--steps", "4,4", limit=2)
    assert len(lines) == 2


@pytest.mark.parametrize("text", ["~/rediff", "a b/c", "a/b/c", "./x/y"])
def test_what_is_no_hub_id_is_an_unknown_model(text: str) -> None:
    with pytest.raises(ValueError, match=r"unknown model|no folder"):
        find_model(text)


def test_the_same_ids_on_other_pictures_are_other_data(tmp_path: Path) -> None:
    titles = []
    for colour in ("red", "blue"):
        folder = tmp_path / colour / "mine"
        folder.mkdir(parents=True)
        Image.new("RGB", (8, 8), colour).save(folder / "a.png")
        titles.append(load_samples(DataConfig(task=load_task("capture"), data=folder)).title)
    assert titles[0] != titles[1]


def test_a_report_of_changed_pictures_shows_none_and_says_so(
    untrained: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    out = tmp_path / "run"
    inside("run", "--task", "capture", "--data", str(tmp_path), "--model",
           str(untrained / "diffusion"), "--steps", "4", "--out", str(out))  # fmt: skip
    inside("report", str(out))
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "a.png")
    inside("report", str(out))
    assert "have changed since the run was made" in (out / "report.html").read_text()
    ((sample,),) = (run["samples"] for run in packed_data(out / "report.html")["runs"])
    assert sample["picture"] == ""


def test_where_less_is_better_less_comes_first() -> None:
    ((_, table),) = rankings(load(["results/scenes"]), "hallucination")
    assert list(table[1.0]) == sorted(table[1.0])


class Picky:
    """Refuses red pictures, and every batch that has one."""

    def caption(
        self, requests: Sequence[CaptionRequest], decoding: Decoding
    ) -> list[Caption | Failure]:
        if any(request.image.getpixel((0, 0)) == (255, 0, 0) for request in requests):
            raise ValueError("no red")
        return [Caption("fine") for _ in requests]


def test_a_picture_that_is_refused_fails_alone() -> None:
    images = [Image.new("RGB", (2, 2), colour) for colour in ("blue", "red", "green")]
    replies = ask(Picky(), about(images), Decoding())  # type: ignore[arg-type]
    assert [isinstance(reply, Failure) for reply in replies] == [False, True, False]


def test_a_reply_that_is_no_completion_fails_its_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    with serving() as server:
        assert isinstance(server, Server)
        server.answer = lambda method, path, body: (
            200, {"Content-Type": "text/html"}, b"<html>log in</html>"
        )  # fmt: skip
        from rediff.captioners.openai import OpenAICaptioner

        captioner = OpenAICaptioner(ServerSpec(model="m", base_url=server.url, retries=0))
        (reply,) = captioner.caption(about([Image.new("RGB", (4, 4))]), Decoding())
        captioner.close()
    assert isinstance(reply, Failure)
    assert "is the server's address right?" in reply.error


def test_an_old_error_is_no_answer_while_another_rank_is_at_work(tmp_path: Path) -> None:
    key = StoredCaption("cell", "a", "digest")
    with open_store(tmp_path, Rank(1, 2)) as store:
        store.append(key, {"error": "server down"})
    code = textwrap.dedent(f"""
        import pathlib, time
        from rediff_eval.captioning.caption_store import StoredCaption, open_store
        from rediff.io.rank import Rank
        with open_store(pathlib.Path({str(tmp_path)!r}), Rank(1, 2)) as store:
            print("locked", flush=True)
            time.sleep(1.0)
            store.append(StoredCaption("cell", "a", "digest"), {{"text": "second try"}})
    """)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with open_store(tmp_path, Rank(0, 2)) as store:
            store.wait_for([key], timeout=0.2, pause=0.05)
            line = store.get(key)
    assert line is not None
    assert line["text"] == "second try"


def test_traces_can_be_asked_for_later(untrained: Path, tmp_path: Path) -> None:
    model = untrained / "diffusion"
    before = capture(model, tmp_path, "--steps", "4", "--traces", "0", limit=3)
    after = capture(model, tmp_path, "--steps", "4", "--traces", "2", limit=3)
    assert ["trace" in line for line in before] == [False] * 3
    assert ["trace" in line for line in after] == [True, True, False]
    assert [line["text"] for line in after] == [line["text"] for line in before]


def test_secrets_of_an_address_are_not_kept() -> None:
    command = "run --base-url 'https://me:token@host/v1?key=secret' --task capture"
    kept = without_secrets(command)
    assert kept == "run --base-url 'https://host/v1' --task capture"


def test_captions_are_read_line_by_line_and_found_by_whole_ids(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"id": "cats/001", "caption": "a\u2028cat"}, {"id": "img", "caption": "x"}]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    captioner = PrecomputedCaptioner.load(path)
    images = [Image.new("RGB", (2, 2))] * 3
    ids = ["cats/001.png", "dogs/001.png", "img.v2"]
    replies = captioner.caption(about(images, ids=ids), Decoding())
    assert [isinstance(reply, Failure) for reply in replies] == [False, True, True]
