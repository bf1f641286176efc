"""Runs that are judged: by the oracle, by a server that fails, and killed on the way."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conversations import PROMPTS
from programs import inside, numbers, program
from servers import Answer, completion, serving

from rediff.scenes.dataset import load_scenes
from rediff_eval.judging.oracle import VERSION, Oracle
from rediff_eval.judging.oracle_server import completion as oracle_completion
from rediff_eval.views.leaderboard import load, pivot

COUNT = 6


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """True captions of the first scenes, as an official tool writes them, ends included."""
    rows = load_scenes("test", COUNT, captions=2)
    path = tmp_path_factory.mktemp("captions") / "theirs.json"
    table = {row["id"]: row["captions"][1] + "<|eot_id|><|eot_id|>" for row in rows}
    path.write_text(json.dumps(table))
    return path


def score(file: Path, task: str, out: Path, *more: str | Path) -> None:
    inside("score", file, "--task", task, "--limit", str(COUNT), "--out", out, *more)


def values(out: Path) -> dict[str, float]:
    return {row["metric"]: float(row["value"]) for row in numbers(out)}


def test_true_captions_are_right_to_the_oracle(captions: Path, tmp_path: Path) -> None:
    score(captions, "capmas", tmp_path / "a")
    found = values(tmp_path / "a")
    assert found["clair"] == found["factuality"] == 1.0
    assert found["coverage"] > 0.9  # relations that follow from places are answered, too
    manifest = json.loads((tmp_path / "a" / "results.json").read_text())["manifest"]
    assert manifest["judge"]["model"] == "oracle"
    prompt = PROMPTS.clair.id
    assert manifest["scorers"]["clair"] == f"clair corrected, oracle at oracle {VERSION}, {prompt}"
    said = [json.loads(line) for line in (tmp_path / "a" / "judgements.jsonl").open()]
    assert Counter(line["metric"] for line in said) == dict.fromkeys(
        ("clair", "coverage", "factuality"), COUNT
    )


def test_true_captions_win_or_tie_in_the_arena(captions: Path, tmp_path: Path) -> None:
    score(captions, "caparena", tmp_path / "a")
    said = [json.loads(line) for line in (tmp_path / "a" / "judgements.jsonl").open()]
    assert all(line["points"] >= 0 for line in said)
    assert values(tmp_path / "a")["caparena"] > 0
    score(captions, "caparena", tmp_path / "b", "--preset", "official")
    wins = sum(
        line["points"] for line in map(json.loads, (tmp_path / "b" / "judgements.jsonl").open())
    )
    assert values(tmp_path / "b")["caparena"] == pytest.approx(wins / 2 / 3)


def test_an_oracle_that_errs_costs_points(captions: Path, tmp_path: Path) -> None:
    score(captions, "capmas", tmp_path / "a", "--judge", "oracle:0.5")
    found = values(tmp_path / "a")
    assert found["factuality"] < 0.9
    with pytest.raises(ValueError, match="there are oracle and oracle:RATE"):
        score(captions, "capmas", tmp_path / "b", "--judge", "oracle:much")


def test_two_judges_are_never_ranked_together(captions: Path, tmp_path: Path, capsys: Any) -> None:
    for judge in ("oracle", "oracle:0.1"):
        score(captions, "capmas", tmp_path / judge, "--judge", judge)
    capsys.readouterr()
    inside("leaderboard", tmp_path / "oracle", tmp_path / "oracle:0.1", "--metric", "clair")
    assert capsys.readouterr().out.count("clair on scenes") == 2


def test_failures_are_shown_counted_and_no_zeros(captions: Path, tmp_path: Path) -> None:
    with serving() as server:

        def answer(method: str, path: str, body: Any) -> Answer:
            text = body["messages"][0]["content"][0]["text"]
            bad = hash_of(text) % 2 == 0
            return completion("no idea" if bad else '{"score": 60, "reason": ""}', 3)

        server.answer = answer
        out = program(
            "score", captions, "--task", "capmas", "--limit", str(COUNT), "--out", tmp_path / "a",
            "--judge", "m", "--judge-url", f"{server.url}/v1", "--judge-cache", tmp_path / "c",
            "--max-missing", "1", ok=1,
        )  # fmt: skip
    rows = {row["metric"]: row for row in numbers(tmp_path / "a")}
    assert float(rows["clair"]["value"]) == pytest.approx(0.6)
    judged, unjudged = int(rows["clair"]["n"]), int(rows["clair"]["unscored"])
    assert judged + unjudged == COUNT
    assert unjudged
    assert float(rows["clair_worst"]["value"]) == pytest.approx(0.6 * judged / COUNT)
    assert f"{unjudged} of {COUNT} captions have no verdict" in out
    assert "holds no score that is clear" in out
    assert "coverage" not in rows  # not one verdict: neither a zero nor a number


def hash_of(text: str) -> int:
    return sum(text.encode())


def test_missing_and_unknown_ids_are_listed(captions: Path, tmp_path: Path, capsys: Any) -> None:
    table = json.loads(captions.read_text())
    first = next(iter(table))
    table["nobody"] = table.pop(first)
    (tmp_path / "t.json").write_text(json.dumps(table))
    score(tmp_path / "t.json", "capture", tmp_path / "a", "--max-missing", "0.5")
    out = capsys.readouterr().out
    assert "1 ids without a sample here, not scored: nobody" in out
    assert f"1 ids missing: {first}" in out
    assert {row["failed"] for row in numbers(tmp_path / "a")} == {"1"}
    with pytest.raises(ValueError, match=f"1 of {COUNT} samples have no caption.*: {first}"):
        score(tmp_path / "t.json", "capture", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_every_form_of_captions_gives_the_same(captions: Path, tmp_path: Path) -> None:
    table = json.loads(captions.read_text())
    (tmp_path / "files.json").write_text(json.dumps({f"{i}.jpg": t for i, t in table.items()}))
    lines = [json.dumps({"id": i, "caption": text}) for i, text in table.items()]
    (tmp_path / "lines.jsonl").write_text("\n".join(lines))
    found = []
    for file in (captions, tmp_path / "files.json", tmp_path / "lines.jsonl"):
        score(file, "capture", tmp_path / "out" / file.stem)
        found.append(values(tmp_path / "out" / file.stem))
    assert found[0]["capture"] == 1.0
    assert found[0] == found[1] == found[2]


def test_a_finished_run_is_scored_again_by_another_task(untrained: Path, tmp_path: Path) -> None:
    inside("run", "--task", "capture", "--model", untrained / "diffusion", "--steps", "8,4",
           "--limit", str(COUNT), "--out", tmp_path / "run")  # fmt: skip
    score(tmp_path / "run", "capmas", tmp_path / "again")
    rows = numbers(tmp_path / "again")
    assert {row["steps"] for row in rows} == {"8", "4"}
    assert {"clair", "coverage", "factuality", "nfe"} <= {row["metric"] for row in rows}


def test_a_killed_run_pays_for_nothing_twice(captions: Path, tmp_path: Path) -> None:
    oracle, rng = Oracle(), random.Random(time.time_ns())
    with serving() as server:

        def answer(method: str, path: str, body: Any) -> Answer:
            time.sleep(0.05)
            content = json.dumps(oracle_completion(body, oracle.reply(body))).encode()
            return 200, {"Content-Type": "application/json"}, content

        server.answer = answer
        command = [
            sys.executable, "-m", "rediff_eval", "score", str(captions), "--task", "capmas",
            "--limit", str(COUNT), "--out", str(tmp_path / "a"), "--judge", "oracle",
            "--judge-url", f"{server.url}/v1", "--judge-cache", str(tmp_path / "cache"),
            "--judge-concurrency", "3",
        ]  # fmt: skip
        for stop in sorted(rng.sample(range(1, 4 * COUNT), 3)):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            while len(server.seen) < stop and process.poll() is None:
                time.sleep(0.005)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        bodies = Counter(json.dumps(body) for _, _, body in server.seen)
    assert len(bodies) == 4 * COUNT
    assert set(bodies.values()) == {1}
    assert values(tmp_path / "a")["clair"] == 1.0


def test_the_judge_server_serves_a_run(captions: Path, tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "rediff_eval", "judge-server", "--scenes", "--port", "0"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert server.stdout is not None
    url = server.stdout.readline().split()[2].rstrip(",")
    assert url.startswith("http://127.0.0.1:")
    score(captions, "capmas", tmp_path / "a", "--judge", "oracle", "--judge-url", url,
          "--judge-cache", tmp_path / "c")  # fmt: skip
    server.send_signal(signal.SIGINT)
    assert server.wait(20) == 130
    assert values(tmp_path / "a")["clair"] == 1.0


def test_a_judge_must_be_named_where_the_oracle_knows_nothing(
    captions: Path, tmp_path: Path
) -> None:
    from PIL import Image

    (tmp_path / "own").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "own" / "0.png")
    (tmp_path / "t.json").write_text('{"0.png": "a kite"}')
    score(tmp_path / "t.json", "capmas", tmp_path / "a", "--data", tmp_path / "own")
    page = (tmp_path / "a" / "leaderboard.md").read_text()
    assert "clair: not run, needs references" in page
    with pytest.raises(ValueError, match="the oracle knows the embedded scenes only"):
        score(tmp_path / "t.json", "capmas", tmp_path / "b", "--data", tmp_path / "own",
              "--judge", "oracle")  # fmt: skip
    with pytest.raises(ValueError, match="--judge-url needs --judge"):
        score(captions, "capmas", tmp_path / "c", "--judge-url", "http://localhost")


def test_what_scoring_needs_is_looked_for_before_any_caption(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    model = ["--model", untrained / "diffusion", "--limit", "2"]
    for more, message in (
        (["--judge", "gpt-4o"], "variable OPENAI_API_KEY"),
        (["--judge", "oracle", "--judge-batch"], "takes no --judge-batch"),
        (["--judge", "oracle:2"], "RATE 0 to 1"),
        (["--judge-batch"], "--judge-batch needs --judge"),
        (["--capmas-prompts", tmp_path], "no .*eval_clair.py"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            inside("run", "--task", "capmas", *model, "--out", tmp_path / "out", *more)
    assert not (tmp_path / "out").exists()


def test_results_of_something_else_are_not_written_over(captions: Path, tmp_path: Path) -> None:
    score(captions, "capmas", tmp_path / "a")
    score(captions, "capmas", tmp_path / "a")
    with pytest.raises(ValueError, match="holds other results"):
        score(captions, "caparena", tmp_path / "a")


def test_reports_and_comparisons_of_scored_files(
    captions: Path, tmp_path: Path, capsys: Any
) -> None:
    score(captions, "capmas", tmp_path / "a")
    score(captions, "capmas", tmp_path / "b", "--judge", "oracle:0.9")
    inside("report", tmp_path / "a")
    assert "theirs" in (tmp_path / "a" / "report.html").read_text()
    with pytest.raises(ValueError, match="same task, data, scorer"):
        inside("compare", tmp_path / "a", tmp_path / "b", "--metric", "clair")
    table = pivot(load([tmp_path / "a", tmp_path / "b"]), "clair")
    assert len(table) == 2
    assert {"seconds", "nfe"}.isdisjoint({row["metric"] for row in numbers(tmp_path / "a")})


def test_an_empty_caption_is_no_true_one(captions: Path, tmp_path: Path) -> None:
    table = dict.fromkeys(json.loads(captions.read_text()), "")
    (tmp_path / "t.json").write_text(json.dumps(table))
    score(tmp_path / "t.json", "capmas", tmp_path / "a")
    found = values(tmp_path / "a")
    assert (found["clair"], found["coverage"]) == (0.0, 0.0)
    assert "factuality" not in found


def test_a_proxy_does_not_stand_between_a_run_and_its_oracle(
    captions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    score(captions, "capmas", tmp_path / "a")
    assert values(tmp_path / "a")["clair"] == 1.0
