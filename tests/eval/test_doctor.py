"""`rediff-eval doctor` looks at everything and says what is missing."""

import sys
from pathlib import Path

import pytest
from programs import program

from rediff.captioners.known_models import known_models, shipped_models
from rediff_eval.benchmarks.task import list_tasks
from rediff_eval.doctor import examine


def test_everything_is_looked_at(tmp_path: Path) -> None:
    output = program("doctor", cwd=tmp_path, HF_HOME=str(tmp_path), OPENAI_API_KEY="", PATH="")
    for name in shipped_models():
        assert f"ok  model {name}" in output
    for task in list_tasks():
        assert f"task {task}" in output
    for model in known_models():
        assert f"--  model {model.name}" in output
    assert "--  Java                   none" in output
    assert "--  OPENAI_API_KEY         not set" in output
    assert "free" in output


def test_a_set_key_is_not_shown(tmp_path: Path) -> None:
    output = program("doctor", cwd=tmp_path, OPENAI_API_KEY="sk-secret")
    assert "ok  OPENAI_API_KEY         set" in output
    assert "secret" not in output


def test_a_python_that_is_too_old_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    finding = next(f for f in examine() if f.subject == "Python")
    assert (finding.state, finding.needed) == ("missing", True)
