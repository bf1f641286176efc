"""Plug-ins: how they are found, what they change in a caption's key, and what they do wrong."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from programs import program

SAMPLER = """
from rediff import register_sampler
from rediff.decoding.unmask import MostConfident
from rediff.decoding.sampler import RuleSampler

@register_sampler("mine")
def mine():
    return RuleSampler(name="mine", unmask=MostConfident(eos_last={eos_last}))
"""
FAULTS = {
    "is no Python": ("def", "SyntaxError"),
    "lacks a module": ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
    "takes a name": (
        SAMPLER.format(eos_last=True).replace('"mine"', '"refine"'), "registered already",
    ),
    "is not there": (None, "no file"),
}  # fmt: skip


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SAMPLER.format(eos_last=True))
    return path


def captions(out: Path, *arguments: str | Path) -> list[dict[str, Any]]:
    program(
        "run", "--task", "capture", "--limit", "3", "--steps", "8", "--out", out, *arguments
    )  # fmt: skip
    return [json.loads(line) for line in (out / "captions.jsonl").read_text().splitlines()]


def test_an_installed_package_registers_itself(tmp_path: Path, plugin: Path) -> None:
    site = tmp_path / "site"
    info = site / "theirs-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "theirs.py").write_text(plugin.read_text())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rediff.plugins]\ntheirs = theirs\n")
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    listed = program("list", "samplers", PYTHONPATH=path)
    assert f"plug-in {site / 'theirs.py'}" in listed
    told = program("caption", "scene:1", "--model", "rediff:mine", "--steps", "8", PYTHONPATH=path)
    assert told.strip()
    assert "unknown sampler 'mine'" in program("caption", "scene:1", "--model", "rediff:mine", ok=2)


def test_the_environment_names_plugins(plugin: Path) -> None:
    assert str(plugin) in program("list", "samplers", REDIFF_PLUGINS=str(plugin))


def test_a_changed_body_makes_its_captions_again_and_no_others(
    tmp_path: Path, plugin: Path
) -> None:
    arguments = ["--plugin", plugin, "--model", "rediff:mine", "--model", "rediff"]
    first = captions(tmp_path / "run", *arguments)
    again = captions(tmp_path / "run", *arguments)
    assert again == first
    plugin.write_text(SAMPLER.format(eos_last=False))
    changed = captions(tmp_path / "run", *arguments)
    made = [
        (a["sampler"], a["seconds"] != b["seconds"]) for a, b in zip(first, changed, strict=True)
    ]
    assert {sampler for sampler, new in made if new} == {"mine"}
    assert all(new for sampler, new in made if sampler == "mine")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_plugin_that_cannot_be_loaded_is_named(fault: str, tmp_path: Path) -> None:
    text, reason = FAULTS[fault]
    path = tmp_path / "theirs.py"
    if text is not None:
        path.write_text(text)
    told = program("list", "samplers", "--plugin", path, ok=2)
    assert told.startswith("Error: plug-in ")
    assert "theirs" in told
    assert reason in told
    assert "Traceback" not in told


CAPTIONER = """
from rediff import Capabilities, register_captioner

class Broken:
    capabilities = Capabilities(kind="broken", length=8, sampler="none")
    def caption(self, requests, decoding):
        {body}
    def close(self):
        pass

@register_captioner("broken")
def open_broken(where, loading):
    {opening}
    return Broken()
"""
METRIC = """
from rediff_eval import register_sample_metric

@register_sample_metric("odd")
def odd(sample, answer):
    return {value}
"""


def test_what_a_plugin_does_wrong_is_one_sentence_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "theirs.py"
    run = ["run", "--task", "capture", "--limit", "2", "--model", "broken", "--plugin", path]
    path.write_text(CAPTIONER.format(body="return [requests[0].nothing]", opening="pass"))
    told = program(*run, "--out", tmp_path / "a", ok=1)
    assert f"plug-in {path}" in told
    assert "AttributeError" in told
    path.write_text(CAPTIONER.format(body="return []", opening="1 / 0"))
    told = program(*run, "--out", tmp_path / "b", ok=1)
    assert f"plug-in {path}: the kind of model 'broken' failed: ZeroDivisionError" in told
    assert "(theirs.py:13)" in told, "the line that fails"
    assert "Traceback" not in told


def test_a_metric_that_fails_is_named(tmp_path: Path) -> None:
    path, task = tmp_path / "theirs.py", tmp_path / "task.yaml"
    task.write_text(
        "name: odd\nsummary: x\ntokens_per_step: [8]\nmetrics: [odd]\nmain_metric: odd\n"
        "scenes: {split: test, captions: 1}\nprompt: Describe it.\nlimit: 2\n"
    )
    path.write_text(METRIC.format(value="answer.nothing"))
    run = ["run", "--task", task, "--limit", "2", "--model", "rediff", "--plugin", path]
    told = program(*run, "--out", tmp_path / "run", ok=1)
    assert f"plug-in {path}: the metric 'odd' failed: AttributeError" in told
    assert "Traceback" not in told
