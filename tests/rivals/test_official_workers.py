"""The three workers of rivals, against stand-ins of their authors' modules."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from asking import about
from PIL import Image
from standins import FUDOKI, LLAVA, MMADA, write_modules

from rediff.captioners import workers
from rediff.captioners.base import Caption, Decoding, Failure
from rediff.captioners.worker import WorkerCaptioner
from rediff.captioners.worker_process import MOST_NOISE, WorkerError, WorkerSpec

FOLDER = Path(workers.__file__).parent
PICTURE = Image.new("RGB", (8, 6), "red")
PROMPT = "Please describe the image in detail."


def ask(
    script: str, arguments: Sequence[str], steps: int | None = None, **env: str
) -> Caption | Failure:
    spec = WorkerSpec(command=(sys.executable, str(FOLDER / script), *arguments), env=env)
    captioner = WorkerCaptioner(spec)
    (reply,) = captioner.caption(about([PICTURE]), Decoding(steps=steps))
    captioner.close()
    return reply


def lavida(folder: Path, *more: str, steps: int | None = None, **env: str) -> Caption | Failure:
    path = write_modules(folder / "official", LLAVA)
    env |= {"PYTHONPATH": str(path), "SEEN": str(folder / "seen.json")}
    return ask("lavida.py", ["--checkpoint", "x", *more], steps, **env)


def test_lavida_is_asked_as_its_authors_evaluate_it(tmp_path: Path) -> None:
    """Its modules print while they are imported, loaded and run, even JSON."""
    reply = lavida(tmp_path, steps=32)
    assert isinstance(reply, Caption)
    assert reply.text == "a red circle"
    assert (reply.nfe, reply.tokens, reply.truncated) == (33, 3, True)
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["schedule_kwargs"] == {"shift": 0.33}
    assert (seen["schedule"], seen["step_ratio"], seen["prefix_lm"]) == ("shift", 0.25, True)


def test_lavida_says_where_it_stopped(tmp_path: Path) -> None:
    reply = lavida(tmp_path, "--shift", "3", ENDS="1")
    assert isinstance(reply, Caption)
    assert (reply.nfe, reply.tokens, reply.truncated) == (129, 2, False)
    assert json.loads((tmp_path / "seen.json").read_text())["schedule_kwargs"] == {"shift": 3.0}


def test_a_result_of_another_shape_is_an_error(tmp_path: Path) -> None:
    reply = lavida(tmp_path, SHAPE="wrong")
    assert isinstance(reply, Failure)
    assert "expected one row of token ids" in reply.error
    reply = mmada(tmp_path, SHAPE="wrong")
    assert isinstance(reply, Failure)
    assert "expected token ids after the prompt" in reply.error


def mmada(folder: Path, *more: str, steps: int | None = None, **env: str) -> Caption | Failure:
    path = write_modules(folder / "official", MMADA)
    env |= {"PYTHONPATH": str(path), "SEEN": str(folder / "seen.json")}
    return ask("mmada.py", more, steps, **env)


def test_mmada_takes_the_chat_template_or_the_old_form(tmp_path: Path) -> None:
    reply = mmada(tmp_path, steps=64)
    assert isinstance(reply, Caption)
    assert (reply.text, reply.nfe) == ("a blue square", 64)
    seen = json.loads((tmp_path / "seen.json").read_text())
    words = ["<template>", *PROMPT.split(), "<go>"]
    assert seen["ids"] == [900, 901, *[1000] * 4, 902, *map(len, words)]
    assert seen["autocast"]
    mmada(tmp_path, "--old-prompt")
    old = json.loads((tmp_path / "seen.json").read_text())["ids"]
    assert old[6:8] == [902, 903]


def test_mmadas_steps_are_a_multiple_of_its_blocks(tmp_path: Path) -> None:
    reply = mmada(tmp_path, steps=30)
    assert isinstance(reply, Failure)
    assert "30 steps do not split over MMaDA's 4 blocks" in reply.error


def fudoki(folder: Path, *more: str, steps: int | None = None) -> Caption | Failure:
    repository = write_modules(folder / "FUDOKI", {"inference_i2t_local.py": FUDOKI})
    arguments = ["--repository", str(repository), "--checkpoint", "weights", *more]
    return ask("fudoki.py", [*arguments, "--python", sys.executable], steps)


def test_fudoki_answers_as_in_its_authors_evaluation(tmp_path: Path) -> None:
    reply = fudoki(tmp_path)
    assert isinstance(reply, Caption)
    assert (reply.text, reply.nfe) == ("seed 99, 32 steps", 32)


def test_fudokis_demo_is_named_by_its_numbers(tmp_path: Path) -> None:
    reply = fudoki(tmp_path, "--steps", "50", "--seed", "999")
    assert isinstance(reply, Caption)
    assert reply.text == "seed 999, 50 steps"


def test_a_log_is_no_caption(tmp_path: Path) -> None:
    reply = fudoki(tmp_path, steps=13)
    assert isinstance(reply, Failure)
    assert "wrote 0 answers, not one" in reply.error


def test_fudoki_refuses_what_it_would_not_do(tmp_path: Path) -> None:
    reply = fudoki(tmp_path, steps=1)
    assert isinstance(reply, Failure)
    assert "at least 2" in reply.error
    other = write_modules(tmp_path / "other", {"inference_i2t_local.py": "QUESTION = 'what ?'"})
    reply = ask("fudoki.py", ["--repository", str(other), "--checkpoint", "x"])
    assert isinstance(reply, Failure)
    assert "asks a question of its own" in reply.error


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        ("print('x')\n" * 3 + "import sys; sys.exit(4)", "exit code 4.*it printed 'x' last"),
        (f"for _ in range({MOST_NOISE}): print('noise')", "1000 lines that are no greeting"),
        ("print('almost', flush=True); import time; time.sleep(60)", "within 2 s.*'almost' last"),
    ],
)
def test_noise_before_a_greeting_is_told(noise: str, message: str) -> None:
    with pytest.raises(WorkerError, match=message):
        WorkerCaptioner(WorkerSpec(command=(sys.executable, "-c", noise), start_timeout=2.0))


@pytest.mark.parametrize("name", ["lavida", "mmada", "fudoki"])
def test_templates_are_valid_worker_files(name: str) -> None:
    spec = WorkerSpec.load(FOLDER / f"{name}.yaml")
    assert f"PACKAGE/{name}.py" in spec.command
