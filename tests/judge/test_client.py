"""The judge's cache, limits and batches."""

from __future__ import annotations

import dataclasses
import json
import os
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
from conversations import PROMPTS, hold
from servers import Answer, completion, serving

from rediff.llm_client.cache import ReplyCache, key_of
from rediff.llm_client.chat_model import ChatModel
from rediff.llm_client.conversation import Reply, Request, picture, system, text, user
from rediff.llm_client.prices import Price
from rediff.llm_client.server import ServerSpec
from rediff_eval.judging.oracle_server import serving_oracle
from rediff_eval.metrics.judged.clair import ask

GOOD = '{"score": 80, "reason": "much agrees"}'
SPEC = ServerSpec(model="gpt-x", base_url="http://a", cache=Path("x"))
REQUEST = Request(
    messages=[system("s"), user(text("t"), picture("data:image/png;base64,AA"))], prompt="p@1",
    max_tokens=5, temperature=0.0,
)  # fmt: skip


def conversations(count: int) -> list[Any]:
    return [ask(PROMPTS.clair, f"caption {i}", "a kite", "corrected") for i in range(count)]


def test_all_that_may_change_a_reply_is_in_its_key() -> None:
    other: dict[str, Any] = {
        "messages": [system("s"), user(text("t"), picture("data:image/png;base64,BB"))],
        "prompt": "p@2", "max_tokens": 6, "temperature": 0.1, "top_p": 0.9, "attempt": 1,
        "schema": {"title": "edits"},
    }  # fmt: skip
    assert set(other) == {f.name for f in dataclasses.fields(Request)}
    keys = {key_of(SPEC, REQUEST)}
    keys |= {
        key_of(SPEC, dataclasses.replace(REQUEST, **{name: value})) for name, value in other.items()
    }
    keys |= {
        key_of(dataclasses.replace(SPEC, **change), REQUEST)
        for change in ({"model": "gpt-y"}, {"base_url": "http://b"}, {"address": "c"})
    }
    assert len(keys) == 1 + len(other) + 3
    assert key_of(dataclasses.replace(SPEC, concurrency=1, timeout=1.0), REQUEST) in keys


def test_a_damaged_reply_is_named(tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path)
    body = {"model": "m", "messages": [{"content": [{"type": "text", "text": "t"}]}]}
    cache.put("abcdef", body, Reply(text="fine"))
    assert cache.get("abcdef") == Reply(text="fine")
    (file,) = tmp_path.rglob("*.json")
    file.write_text("{half")
    with pytest.raises(ValueError, match=r"cdef\.json: damaged"):
        cache.get("abcdef")


def test_calls_keep_to_the_rate(tmp_path: Path) -> None:
    with serving() as server:
        times: list[float] = []

        def answer(method: str, path: str, body: Any) -> Answer:
            times.append(time.monotonic())
            return completion(GOOD, 5)

        server.answer = answer
        judge = ChatModel(
            ServerSpec(
                model="m", base_url=f"{server.url}/v1", cache=tmp_path, per_minute=600.0,
                concurrency=8,
            )
        )  # fmt: skip
        judge.converse(conversations(24))
        judge.close()
    # A tenth of a second apart; on a busy machine the first may arrive late.
    assert max(times) - min(times) > 2.0


def test_calls_run_side_by_side_but_not_more_than_they_may(tmp_path: Path) -> None:
    with serving() as server:
        busy, most, lock = 0, 0, threading.Lock()

        def answer(method: str, path: str, body: Any) -> Answer:
            nonlocal busy, most
            with lock:
                busy += 1
                most = max(most, busy)
            time.sleep(0.05)
            with lock:
                busy -= 1
            return completion(GOOD, 5)

        server.answer = answer
        judge = ChatModel(
            ServerSpec(model="m", base_url=f"{server.url}/v1", cache=tmp_path, concurrency=3)
        )
        judge.converse(conversations(12))
        judge.close()
    assert most == 3


def test_two_processes_pay_once(tmp_path: Path) -> None:
    with serving() as server:
        seen: Counter[str] = Counter()

        def answer(method: str, path: str, body: Any) -> Answer:
            seen[json.dumps(body)] += 1
            time.sleep(0.2)
            return completion(GOOD, 5)

        server.answer = answer
        judges = [
            ChatModel(ServerSpec(model="m", base_url=f"{server.url}/v1", cache=tmp_path))
            for _ in range(2)
        ]
        threads = [
            threading.Thread(target=judge.converse, args=(conversations(6),)) for judge in judges
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for judge in judges:
            judge.close()
    assert set(seen.values()) == {1}
    assert len(seen) == 6


def test_the_bill_counts_what_was_paid_and_what_was_kept(tmp_path: Path) -> None:
    with serving() as server:
        server.answer = lambda method, path, body: completion(GOOD, 5)
        bills = []
        for _ in range(2):
            judge = ChatModel(ServerSpec(model="m", base_url=f"{server.url}/v1", cache=tmp_path))
            judge.converse(conversations(3))
            judge.close()
            bills.append(judge.usage)
    paid, kept = bills
    assert (paid.calls, paid.kept, paid.tokens_in, paid.tokens_out) == (3, 0, 3, 15)
    assert (kept.calls, kept.kept, kept.tokens_out, kept.used_out) == (0, 3, 0, 15)
    assert Price(input=1.0, output=2.0).dollars(paid.tokens_in, paid.tokens_out) == pytest.approx(
        (3 * 1.0 + 15 * 2.0) / 1e6
    )


def test_a_batch_is_answered_kept_and_found_again(tmp_path: Path) -> None:
    batches = Batches(GOOD, wait=2)
    with serving() as server:
        server.answer = batches.answer
        spec = ServerSpec(
            model="m", base_url=f"{server.url}/v1", cache=tmp_path, batch=True, pause=0.01
        )
        judge = ChatModel(spec)
        verdicts = judge.converse(conversations(4))
        judge.close()
        assert [v.score for v in verdicts[:3]] == [0.8] * 3  # type: ignore[union-attr]
        assert "lost" in verdicts[3].reason  # type: ignore[union-attr]
        made = len(batches.batches)
        again = ChatModel(spec)
        assert again.converse(conversations(3)) == verdicts[:3]
        again.close()
    assert made == len(batches.batches) == 1


def test_the_oracle_s_server_knows_its_own_prompts_only(tmp_path: Path) -> None:
    with serving_oracle() as url:
        judge = ChatModel(ServerSpec(model="oracle", base_url=url, cache=tmp_path))
        verdict = judge.converse([ask(PROMPTS.clair, "a kite", "no scene", "corrected")])[0]
        judge.close()
        wrong = ChatModel(ServerSpec(model="gpt-4o", base_url=url, cache=tmp_path))
        other = wrong.converse([ask(PROMPTS.clair, "a kite", "no scene", "corrected")])[0]
        wrong.close()
    assert "not a complete caption" in verdict.reason  # type: ignore[union-attr]
    assert "there are oracle and oracle:RATE" in other.reason  # type: ignore[union-attr]


def test_a_verdict_is_a_matter_of_talk_alone() -> None:
    verdict, asked = hold(ask(PROMPTS.clair, "a", "b", "corrected"), ["no", GOOD])
    assert verdict.score == 0.8
    assert [request.attempt for request in asked] == [0, 1]


def test_a_courier_whose_run_is_gone_brings_home_what_is_under_way(tmp_path: Path) -> None:
    """SIGKILL at a moment when calls are at the server: their replies are kept."""
    with serving() as server:
        at_work = threading.Event()

        def answer(method: str, path: str, body: Any) -> Answer:
            at_work.set()
            time.sleep(1.0)
            return completion(GOOD, 5)

        server.answer = answer
        spec = ServerSpec(model="m", base_url=f"{server.url}/v1", cache=tmp_path, concurrency=2)
        code = (
            "from pathlib import Path\n"
            "from rediff.llm_client.chat_model import ChatModel\n"
            "from rediff.llm_client.server import ServerSpec\n"
            "from rediff_eval.metrics.judged.prompts import own_prompt\n"
            "from rediff_eval.metrics.judged.clair import PROMPT, ask\n"
            f"spec = ServerSpec(model='m', base_url={spec.base_url!r},"
            f" cache=Path({str(tmp_path)!r}), concurrency=2)\n"
            "prompt = own_prompt(PROMPT)\n"
            "ChatModel(spec).converse([ask(prompt, f'caption {i}', 'a kite', 'corrected')"
            " for i in range(6)])\n"
        )
        process = subprocess.Popen([sys.executable, "-c", code])
        assert at_work.wait(60)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        judge = ChatModel(spec)
        verdicts = judge.converse(conversations(6))
        judge.close()
        bodies = Counter(json.dumps(body) for _, _, body in server.seen)
    assert [v.score for v in verdicts] == [0.8] * 6  # type: ignore[union-attr]
    assert set(bodies.values()) == {1}
