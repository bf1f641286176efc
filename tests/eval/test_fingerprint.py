"""Whatever changes a caption is part of its key; every other field is named as runtime-only."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from rediff.llm_client.server import ServerSpec
from rediff.decoding.registry import SAMPLERS
from rediff.captioners.base import Traits
from rediff.captioners.loading import Loading
from rediff_eval.captioning.cache_key import RUNTIME_ONLY, cell_key, model_identity
from rediff_eval.metrics.spec import ScoringSpec
from rediff_eval.captioning.models import ModelChoice, find_model
from rediff_eval.spec import RunSpec
from rediff_eval.benchmarks.task import Task, load_task

TRAITS = Traits(kind="diffusion", length=80, sampler="refine", takes_samplers=True)
SPEC = RunSpec(task=load_task("capture"), models=(find_model("rediff"),), out=Path("x"))
OTHER: dict[str, Any] = {
    "str | None": "other", "str": "other", "float": 7.0, "int": 7, "int | None": 7, "bool": True,
    "Dtype | None": "bfloat16", "Path": Path("other"), "Path | None": Path("other"),
    "tuple[str, ...]": ("other",), "tuple[int, ...]": (7,),
    "ScoringSpec": ScoringSpec(preset="official"), "ServerSpec | None": ServerSpec(model="other"),
}  # fmt: skip
"""Another value for a field of each type."""


def key(spec: RunSpec = SPEC, sampler: str = "refine", steps: int = 8, **model: str) -> str:
    return str(cell_key(spec, model, TRAITS, sampler, steps))


def names(kind: Any) -> set[str]:
    return set(kind.model_fields) if hasattr(kind, "model_fields") else {
        field.name for field in fields(kind)
    }  # fmt: skip


@pytest.mark.parametrize("kind", [RunSpec, Task, Loading, ModelChoice])
def test_what_is_called_runtime_only_exists(kind: Any) -> None:
    assert RUNTIME_ONLY[kind.__name__] <= names(kind)


def variants() -> dict[str, tuple[RunSpec, bool]]:
    """The spec with each field changed in turn, and whether that must change the key."""
    found: dict[str, tuple[RunSpec, bool]] = {}
    for field in fields(RunSpec):
        if field.name not in ("task", "loading", "models"):
            changed = replace(SPEC, **{field.name: OTHER[str(field.type)]})
            found[field.name] = (changed, field.name not in RUNTIME_ONLY["RunSpec"])
    for field in fields(Loading):
        changed = replace(
            SPEC, loading=Loading(**{field.name: other_loading(field.name, field.type)})
        )
        found[f"loading.{field.name}"] = (changed, field.name not in RUNTIME_ONLY["Loading"])
    for name in Task.model_fields:
        task = SPEC.task.model_copy(update={name: "other"})
        found[f"task.{name}"] = (replace(SPEC, task=task), name not in RUNTIME_ONLY["Task"])
    return found


def other_loading(name: str, kind: object) -> Any:
    return "cuda:3" if name == "device" else OTHER[str(kind)]


@pytest.mark.parametrize("name", variants())
def test_every_field_is_in_the_key_or_runtime_only(name: str) -> None:
    changed, counts = variants()[name]
    assert (key(changed) != key()) is counts


def test_sampler_steps_and_model_count() -> None:
    keys = {key(), key(sampler="mask-predict"), key(steps=9), key(file="a"), key(file="b")}
    for option in ("block_length=8", "revise_topk=0.5", "revise_start=0.5", "stop=no"):
        keys.add(key(sampler=f"rediff-official,{option}"))
    assert len(keys) == 9


def test_every_field_of_every_sampler_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sampler's `repr` is in its key; a field that it left out would not count."""
    for sampler in SAMPLERS.values():
        for field in fields(sampler):
            assert f"{field.name}={getattr(sampler, field.name)!r}" in repr(sampler)
    before = key()
    monkeypatch.setitem(SAMPLERS, "refine", SAMPLERS["mask-predict"])  # type: ignore[arg-type]
    assert key() != before


def test_versions_and_source_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    with monkeypatch.context() as patch:
        patch.setattr("rediff_eval.captioning.cache_key.version", lambda name: "0.0")
        assert key() != before
    with monkeypatch.context() as patch:
        patch.setattr("rediff_eval.captioning.cache_key.code_hash", lambda: "other")
        assert key() != before


def test_every_file_of_a_model_counts(untrained: Path, tmp_path: Path) -> None:
    folder = untrained / "diffusion"
    identity = model_identity(ModelChoice("x", "folder", str(folder)))
    assert len(identity) == len([p for p in folder.rglob("*") if p.is_file()])
    captions = tmp_path / "a.json"
    captions.write_text("{}")
    first = model_identity(ModelChoice("x", "captions", str(captions)))
    captions.write_text('{"a": "b"}')
    assert model_identity(ModelChoice("x", "captions", str(captions))) != first
    server = ModelChoice("x", "openai", "gpt-x")
    assert model_identity(server, base_url="http://a") != model_identity(
        server, base_url="http://b"
    )


def test_what_a_worker_runs_counts(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text("command: [python, worker.py, --checkpoint, weights]")
    (tmp_path / "worker.py").write_text("1")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a").write_text("1")
    choice = ModelChoice("w", "worker", str(tmp_path / "w.yaml"))
    seen = [model_identity(choice)]
    for file in ("worker.py", "weights/a"):
        (tmp_path / file).write_text("2")
        seen.append(model_identity(choice))
    assert len({str(identity) for identity in seen}) == 3
