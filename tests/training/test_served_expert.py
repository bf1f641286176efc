"""An expert on a real server that also fails in every way: no draft is lost or paid twice."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from batches import Batches
from faults import UNANSWERED, Given, Lost, Script, passing, reply, status, useless
from PIL import Image
from programs import wait_until
from servers import Answer, completion, serving
from word_drafts import TOKENIZER, draft_of

import rediff
from rediff.data.records import Turn
from rediff.training.draft_records import Correction, Cost, Unused, pad_words, read_lines
from rediff.training.fingerprint import fingerprint
from rediff.training.items import Item
from rediff.training.overrides import with_checkpoint
from rediff.training.pipeline import train
from rediff.training.recipe import Recipe
from rediff.training.recipe_files import find_recipe
from rediff.training.stages.expert import ExpertStage
from rediff.training.stages.experts.conversation import SCHEMA
from rediff.training.stages.experts.served import (
    correct_by_server,
)
from rediff.training.stages.experts.settings import Server

CHECKPOINT = Path(rediff.__file__).parent / "checkpoints" / "base"
GOOD = '{"edits": [{"wrong": "red", "right": "blue", "nth": 2}]}'
NONE = '{"edits": []}'
MENDED: dict[str, list[Given]] = {
    **passing(GOOD),
    "nothing is wrong": [reply(NONE)],
    "an edit that cannot be placed": [
        reply('{"edits": [{"wrong": "green", "right": "blue", "nth": 1}]}')
    ],
}
UNREAD: dict[str, Lost] = {
    **useless(GOOD),
    "prose": ([reply("It is fine.")], "no list of edits", 3),
    "a bare list": ([reply('[{"wrong": "red", "right": "blue", "nth": 1}]')], "no list", 3),
    "edits are no list": ([reply('{"edits": "none"}')], "no list", 3),
    "two lists": ([reply(f"{GOOD} or {NONE}")], "no list", 3),
    "no correction": ([reply('{"edits": [{"wrong": "red", "nth": 1}]}')], "no list", 3),
    "a place of words": (
        [reply('{"edits": [{"wrong": "red", "right": "blue", "nth": "2"}]}')], "no list", 3,
    ),
    "no correction at all": ([reply('{"edits": [{"wrong": "red"}]}')], "no list", 3),
    "the zeroth place": (
        [reply('{"edits": [{"wrong": "red", "right": "blue", "nth": 0}]}')], "no list", 3,
    ),
    "more than was asked for": (
        [reply('{"edits": [{"wrong": "red", "right": "blue", "nth": 1, "run": "x"}]}')],
        "no list", 3,
    ),
}  # fmt: skip


def item_of(name: str) -> Item:
    dialogue = (Turn(f"«{name}» what is there ?", "a red square on a blue circle ."),)
    return Item(name, Image.new("RGB", (4, 4)), (dialogue,))


def settings(url: str, **more: Any) -> Server:
    limits = {"timeout": 1.5, "retries": 2, "pause": 0.01, "longest_pause": 0.05}
    return Server(model="o4-mini", base_url=f"{url}/v1", **{**limits, "max_failed": 1.0, **more})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIFF_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    TOKENIZER.save_pretrained(tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


def correct(server: Server, names: list[str], tokenizer: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    items = {name: item_of(name) for name in names}
    correct_by_server(server, [draft_of(n) for n in names], items, tokenizer, folder)


def test_whatever_the_server_does_no_draft_is_lost_or_paid_twice(
    tokenizer: Path, tmp_path: Path
) -> None:
    lost = {**UNANSWERED, **UNREAD}
    answers = {**MENDED, **{name: replies for name, (replies, _, _) in lost.items()}}
    names, out = list(answers), tmp_path / "out"
    first, second = Script(answers), Script({key: [reply(GOOD)] for key in answers})
    with serving() as server:
        server.answer = first.answer
        count = len(UNANSWERED) - 1  # one is rejected for what it asks
        with pytest.raises(RuntimeError, match=rf"{count} of {len(names)} drafts were not answ"):
            correct(settings(server.url), names, tokenizer, out)
        assert not (out / "corrections.jsonl").exists()
        server.answer = second.answer
        correct(settings(server.url), names, tokenizer, out)
    for name, replies in MENDED.items():
        assert first.requests[name] == len(replies), name
    for name, (_, _, requests) in lost.items():
        assert first.requests[name] == requests, name
    assert set(second.requests) == set(UNANSWERED), "replies are kept, lost calls are made again"
    corrections = {c.draft.id: c for c in read_lines(out / "corrections.jsonl", Correction)}
    unused = {entry.id: entry for entry in read_lines(out / "unused.jsonl", Unused)}
    assert set(corrections) | {n for n, u in unused.items() if u.edit is None} == set(names)
    for name, (_, reason, _) in UNREAD.items():
        assert reason in unused[name].reason
        assert name not in corrections
    blue = corrections["server error"].corrected()
    assert blue == pad_words(["a", "red", "square", "on", "a", "blue", "circle", "."], 12)
    assert unused["an edit that cannot be placed"].edit == ("green", "blue")
    assert corrections["nothing is wrong"].segments == ()


def test_one_request_that_is_rejected_for_good_does_not_end_the_others(
    tokenizer: Path, tmp_path: Path
) -> None:
    """Not even where it is the very first; where all are, there is something wrong with all."""
    bad = [status(400, "flagged")]
    script = Script({"bad": bad, "good": [reply(GOOD)], "fine": [reply(NONE)]})
    with serving() as server:
        server.answer = script.answer
        names = ["bad", "good", "fine"]
        correct(settings(server.url, max_failed=0.4), names, tokenizer, tmp_path)
        found = [c.draft.id for c in read_lines(tmp_path / "corrections.jsonl", Correction)]
        assert found == ["good", "fine"]
        (left,) = read_lines(tmp_path / "unused.jsonl", Unused)
        assert (left.id, left.edit) == ("bad", None)
        assert "flagged" in left.reason
        server.answer = Script(dict.fromkeys(names, bad)).answer
        with pytest.raises(ValueError, match=r"3 of 3 drafts .* flagged"):
            correct(settings(server.url, structured=False, max_failed=0.4), names, tokenizer,
                    tmp_path / "again")  # fmt: skip


def test_a_share_of_failures_is_borne_and_no_more(tokenizer: Path, tmp_path: Path) -> None:
    script = Script({"prose": [reply("Fine.")], "good": [reply(GOOD)]})
    with serving() as server:
        server.answer = script.answer
        with pytest.raises(ValueError, match=r"1 of 2 drafts .* allows 40.0%; .* prose: .*no list"):
            correct(settings(server.url, max_failed=0.4), ["good", "prose"], tokenizer, tmp_path)


def test_a_server_without_schemas_is_asked_without(tokenizer: Path, tmp_path: Path) -> None:
    plain = Script({name: [reply(GOOD)] for name in "abc"})
    with serving() as server:

        def answer(method: str, path: str, body: Any) -> Answer:
            if "response_format" in body:
                return status(400, "response_format is not known here")
            return plain.answer(method, path, body)

        server.answer = answer
        correct(settings(server.url), ["a", "b", "c"], tokenizer, tmp_path)
        schemas = [
            body["response_format"] for _, _, body in server.seen if "response_format" in body
        ]
        assert [s["json_schema"]["schema"] for s in schemas] == [SCHEMA]
        assert plain.requests == Counter("abc")
        body = server.seen[-1][2]
        assert body["temperature"] == 0
        server.answer = plain.answer
        correct(settings(server.url, thinks=True), ["a"], tokenizer, tmp_path)
        assert "max_completion_tokens" in server.seen[-1][2]
        assert not {"temperature", "max_tokens"} & set(server.seen[-1][2])


def test_equal_drafts_are_asked_about_once_and_the_cost_is_told(
    tokenizer: Path, tmp_path: Path
) -> None:
    script = Script({"a": [reply(GOOD)]})
    drafts = [draft_of("a").model_copy(update={"tokens_per_step": k}) for k in (2, 4, 8)]
    with serving() as server:
        server.answer = script.answer
        for _ in range(2):
            correct_by_server(
                settings(server.url), drafts, {"a": item_of("a")}, tokenizer, tmp_path
            )
    assert script.requests["a"] == 1
    (cost,) = read_lines(tmp_path / "cost.jsonl", Cost)
    assert (cost.model, cost.tokens_in, cost.tokens_out) == ("o4-mini", 1, 5)
    assert cost.dollars == pytest.approx((1 * 1.10 + 5 * 4.40) / 1e6)
    assert len(list(read_lines(tmp_path / "corrections.jsonl", Correction))) == 3


def test_a_stage_killed_at_work_pays_for_nothing_again(tokenizer: Path, tmp_path: Path) -> None:
    names = [f"n{i}" for i in range(12)]
    seen: Counter[str] = Counter()
    lock = threading.Lock()

    def answer(method: str, path: str, body: Any) -> Answer:
        name = json.dumps(body, ensure_ascii=False).split("«")[1].split("»")[0]
        with lock:
            seen[name] += 1
        time.sleep(0.15)
        return completion(GOOD, 5)

    with serving() as server:
        server.answer = answer
        spec = settings(server.url, concurrency=2, timeout=20.0)
        given = tmp_path / "given"
        given.write_bytes(
            pickle.dumps((spec, [draft_of(n) for n in names], {n: item_of(n) for n in names}))
        )
        code = (
            "import pickle, sys; from pathlib import Path\n"
            "from rediff.training.stages.experts.served import correct_by_server\n"
            "spec, drafts, items = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
            "correct_by_server(spec, drafts, items, Path(sys.argv[2]), Path(sys.argv[3]))\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, given, tokenizer, tmp_path], start_new_session=True
        )
        wait_until(lambda: len(seen) >= 4, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        correct(spec, names, tokenizer, tmp_path / "out")
    assert dict(seen) == dict.fromkeys(names, 1)


def test_a_dead_server_is_not_asked_about_every_draft(tokenizer: Path, tmp_path: Path) -> None:
    script = Script({name: [status(500)] for name in "abc"})
    with serving() as server:
        server.answer = script.answer
        with pytest.raises(RuntimeError, match="3 of 3 drafts were not answered; the first, a: "):
            correct(settings(server.url), ["a", "b", "c"], tokenizer, tmp_path)
    assert set(script.requests) == {"a"}


def test_a_missing_key_is_told_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    recipe = with_checkpoint(Recipe.load(find_recipe("rediff-8b")), CHECKPOINT)
    with pytest.raises(ValueError, match="variable OPENAI_API_KEY"):
        train(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_batch_of_drafts_is_paid_once(tokenizer: Path, tmp_path: Path) -> None:
    """What one batch lost is asked for alone by the next start."""
    names, out, batches = ["a", "b", "c"], tmp_path / "out", Batches(GOOD)
    with serving() as server:
        server.answer = batches.answer
        given = settings(server.url, batch=True)
        with pytest.raises(RuntimeError, match="1 of 3 drafts were not answered"):
            correct(given, names, tokenizer, out)
        batches.loses = False
        correct(given, names, tokenizer, out)
    asked = [
        len(batches.files[batch["input_file_id"]].splitlines())
        for batch in batches.batches.values()
    ]
    assert asked == [3, 1]
    corrections = list(read_lines(out / "corrections.jsonl", Correction))
    assert [c.draft.id for c in corrections] == names
    assert {c.corrected()[5] for c in corrections} == {"blue"}
    (cost,) = read_lines(out / "cost.jsonl", Cost)
    assert cost.calls == 3


def test_how_a_server_is_reached_makes_no_other_stage() -> None:
    recipe = with_checkpoint(Recipe.load(find_recipe("rediff-8b")), CHECKPOINT)

    def changed(**more: Any) -> str:
        stage = recipe.stages["expert"]
        assert isinstance(stage, ExpertStage)
        assert stage.server is not None
        server = stage.server.model_copy(update=more)
        stages = {**recipe.stages, "expert": stage.model_copy(update={"server": server})}
        return fingerprint("refine", recipe.model_copy(update={"stages": stages}))

    own = fingerprint("refine", recipe)
    assert changed(concurrency=1, timeout=5.0, batch=True) == own
    assert len({own, changed(model="gpt-x"), changed(first=True), changed(thinks=False)}) == 4
