"""Runs that are killed, by whatever and whenever, end as if nothing had happened."""

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
from programs import inside, program, wait_until

KILLS = 24
STEPS = "16,8,4"
LIMIT = 24


def arguments(untrained: Path, out: Path, *more: str) -> list[str]:
    return [
        "run", "--task", "capture", "--limit", str(LIMIT), "--steps", STEPS, "--batch-size", "2",
        "--model", f"{untrained / 'diffusion'}:refine",
        "--model", str(untrained / "autoregressive"), "--out", str(out), *more,
    ]  # fmt: skip


def results(out: Path) -> dict[str, Any]:
    """results.json without what tells how long it took, and by which command."""
    loaded: dict[str, Any] = json.loads((out / "results.json").read_text())
    del loaded["manifest"]["timing"], loaded["manifest"]["command"]
    for cell in loaded["cells"]:
        del cell["metrics"]["seconds"]
    return loaded


def captions(out: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "captions.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def assert_no_sample_is_lost_or_doubled(out: Path) -> None:
    counts = Counter(
        tuple(line[k] for k in ("model", "sampler", "steps", "id")) for line in captions(out)
    )
    assert len(counts) == 4 * LIMIT
    assert set(counts.values()) == {1}


@pytest.fixture(scope="module")
def unbroken(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken")
    inside(*arguments(untrained, out))
    return out


def test_killed_at_random_moments(untrained: Path, unbroken: Path, tmp_path: Path) -> None:
    """A child is forked for each start, so that its imports do not take up the time to kill."""
    rng = random.Random(7)
    out, kills, ends = tmp_path / "run", 0, 0
    while kills < KILLS:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            inside(*arguments(untrained, out))
            os._exit(0)
        time.sleep(rng.uniform(0.05, 1.0))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            kills += 1
        else:
            assert os.WEXITSTATUS(status) == 0
            ends += 1
            (out / "results.json").unlink()
            part = out / "parts" / "rank-0.jsonl"
            lines = part.read_bytes().splitlines(keepends=True)
            part.write_bytes(b"".join(rng.sample(lines, len(lines) // 3)))
    inside(*arguments(untrained, out))
    assert_no_sample_is_lost_or_doubled(out)
    assert json.dumps(results(out)) == json.dumps(results(unbroken))
    assert captions(out) == captions(unbroken)
    for name in ("leaderboard.md", "results.csv"):
        assert (out / name).exists()


def test_a_finished_run_does_nothing_again(untrained: Path, unbroken: Path) -> None:
    part = unbroken / "parts" / "rank-0.jsonl"
    before = part.read_bytes()
    inside(*arguments(untrained, unbroken))
    assert part.read_bytes() == before


def test_batch_size_changes_nothing(untrained: Path, unbroken: Path, tmp_path: Path) -> None:
    for size in ("1", "7", "24"):
        out = tmp_path / size
        inside(*arguments(untrained, out), "--batch-size", size)
        assert captions(out) == captions(unbroken)
        assert json.dumps(results(out)) == json.dumps(results(unbroken))


def torchrun(untrained: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone",
         "-m", "rediff_eval", *arguments(untrained, out, "--grace", "5")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def ranks(parent: int) -> list[int]:
    listing = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(pid) for pid in listing.read_text().split()] if listing.exists() else []


def test_two_processes_give_what_one_gives(untrained: Path, unbroken: Path, tmp_path: Path) -> None:
    assert torchrun(untrained, tmp_path).wait() == 0
    shares = [len(p.read_text().splitlines()) for p in sorted(tmp_path.glob("parts/rank-*.jsonl"))]
    assert len(shares) == 2
    assert min(shares) > 0
    assert sum(shares) == 4 * LIMIT
    assert json.dumps(results(tmp_path)) == json.dumps(results(unbroken))
    assert captions(tmp_path) == captions(unbroken)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_rank_is_made_up_for(
    victim: int, untrained: Path, unbroken: Path, tmp_path: Path
) -> None:
    process = torchrun(untrained, tmp_path)
    part = tmp_path / "parts" / f"rank-{victim}.jsonl"
    wait_until(lambda: part.exists() and part.stat().st_size > 1000, process)
    os.kill(ranks(process.pid)[victim], signal.SIGKILL)
    assert process.wait() != 0
    assert not (tmp_path / "results.json").exists()
    if victim:
        assert torchrun(untrained, tmp_path).wait() == 0
    else:
        inside(*arguments(untrained, tmp_path))
    assert_no_sample_is_lost_or_doubled(tmp_path)
    assert json.dumps(results(tmp_path)) == json.dumps(results(unbroken))
    assert captions(tmp_path) == captions(unbroken)


def test_an_interrupted_run_says_so_and_goes_on_later(untrained: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "rediff_eval", *arguments(untrained, tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    part = tmp_path / "parts" / "rank-0.jsonl"
    wait_until(lambda: part.exists() and part.stat().st_size > 500, process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 130, output
    assert "Interrupted." in output
    assert part.read_bytes().endswith(b"\n")


def test_a_file_that_ends_early_is_no_interrupt() -> None:
    """click takes an EOFError for Ctrl-D."""
    code = (
        "import click, sys\n"
        "from rediff_eval.cli import cli, main\n"
        "@cli.command()\n"
        "def early(): raise EOFError('Ran out of input')\n"
        "sys.argv = ['rediff-eval', 'early']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Failed: a file ended early: EOFError('Ran out of input')" in done.stderr
    assert "Interrupted" not in done.stderr


def test_an_empty_result_is_a_failed_run(untrained: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    output = program(
        "run", "--task", "capture", "--data", tmp_path, "--model", untrained / "diffusion",
        "--steps", "4", "--out", tmp_path / "run", "--max-failures", "1", ok=1,
    )  # fmt: skip
    assert "1 of 1 samples failed" in output
    assert (tmp_path / "run" / "results.json").exists()


def test_a_failed_sample_is_tried_again(untrained: Path, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "a.png").write_bytes(b"no picture")
    Image.new("RGB", (9, 9), "blue").save(tmp_path / "b.png")
    again = ("run", "--task", "capture", "--data", str(tmp_path), "--model",
             str(untrained / "diffusion"), "--steps", "4", "--out", str(tmp_path / "run"),
             "--max-failures", "0.5")  # fmt: skip
    inside(*again)
    assert sum("error" in line for line in captions(tmp_path / "run")) == 1
    Image.new("RGB", (9, 9), "red").save(tmp_path / "a.png")
    inside(*again)
    assert ["error" in line for line in captions(tmp_path / "run")] == [False, False]


def test_two_runs_at_once_are_refused(untrained: Path, tmp_path: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-m", "rediff_eval", *arguments(untrained, tmp_path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    part = tmp_path / "parts" / "rank-0.jsonl"
    wait_until(part.exists, first)
    first.send_signal(signal.SIGSTOP)
    output = program(*arguments(untrained, tmp_path), ok=2)
    assert "another run works in" in output
    first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    assert_no_sample_is_lost_or_doubled(tmp_path)
