"""Whatever changes a caption is part of its key, and nothing else is."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from rediff.captioners.base import Capabilities
from rediff.captioners.sources import Loading, ModelSource, find_model
from rediff.decoding.registry import SAMPLERS, find_sampler, options_of
from rediff.decoding.sampler import RuleSampler
from rediff_eval.captioning.caption_key import CaptionConfig, as_plain
from rediff_eval.captioning.config import CaptioningConfig, Condition

CAPABLE = Capabilities(kind="diffusion", length=80, sampler="refine", takes_samplers=True)
SOURCE = find_model("rediff")
CONFIG = CaptioningConfig(models=(SOURCE,))
CHANGES_NO_CAPTION = {
    Loading: {"device_map", "key_env"},
    CaptioningConfig: {
        "models", "samplers", "steps", "batch_size", "keep_traces", "worker_timeout",
    },
}  # fmt: skip
"""Fields that change no caption, or that stand in the key in another form: what `models`,
`samplers` and `steps` name is one condition's."""
OTHER: dict[str, Any] = {
    "device": "cuda:3", "dtype": "bfloat16", "device_map": "auto", "max_tokens": 7,
    "trust_remote_code": True, "seed": 7, "base_url": "http://a", "key_env": "OTHER",
    "models": (), "samplers": ("other",), "steps": (7,), "guidance": 7.0, "batch_size": 7,
    "keep_traces": 7, "worker_timeout": 7.0, "compiled": True,
}  # fmt: skip
"""Another value for each field."""


def key(
    config: CaptioningConfig = CONFIG, source: ModelSource = SOURCE, *, sampler: str = "refine",
    steps: int = 8, prompt: str = "Describe.",
) -> str:  # fmt: skip
    condition = Condition(source.name, sampler, steps, None)
    return CaptionConfig.of(config, source, CAPABLE, prompt, condition).key()


@pytest.mark.parametrize("field", [f.name for f in fields(Loading)])
def test_how_a_model_is_loaded_is_in_the_key_or_changes_no_caption(field: str) -> None:
    changed = replace(SOURCE, loading=Loading(**{field: OTHER[field]}))
    assert (key(source=changed) != key()) is (field not in CHANGES_NO_CAPTION[Loading])


@pytest.mark.parametrize("field", [f.name for f in fields(CaptioningConfig)])
def test_what_is_captioned_is_in_the_key_or_changes_no_caption(field: str) -> None:
    changed = replace(CONFIG, **{field: OTHER[field]})
    assert (key(changed) != key()) is (field not in CHANGES_NO_CAPTION[CaptioningConfig])


def test_every_field_of_a_caption_config_counts() -> None:
    condition = Condition("rediff", "refine", 8, None)
    config = CaptionConfig.of(CONFIG, SOURCE, CAPABLE, "Describe.", condition)
    others: dict[str, Any] = {
        "model": {"a": "b"}, "sampler": "x", "plugins": {"a": "b"}, "steps": 9, "guidance": 1.0,
        "prompt": "x", "device": "cuda", "dtype": "bfloat16", "max_tokens": 3,
        "trust_remote_code": True, "compiled": True, "seed": 3, "base_url": "http://b",
    }  # fmt: skip
    assert others.keys() == {field.name for field in fields(CaptionConfig)}
    keys = {replace(config, **{name: value}).key() for name, value in others.items()}
    assert len(keys | {config.key()}) == len(others) + 1


def test_every_option_of_every_sampler_counts() -> None:
    for name in SAMPLERS:
        for option in options_of(find_sampler(name)).values():
            words = {"probability": "margin", "cap": "rescale"}
            others = {
                "bool": "no" if option.value else "yes",
                "float": "1.37" if option.field == "eos_penalty" else "0.37",
                "str": words.get(option.value, "cap" if option.field == "how" else "probability"),
                "Stop": "cycle" if option.value == "filled" else "filled",
            }
            value = others.get(option.type, "8")
            assert key(sampler=f"{name},{option.name}={value}") != key(sampler=name)


def test_versions_and_source_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    for name in ("version", "code_hash"):
        with monkeypatch.context() as patch:
            patch.setattr(f"rediff_eval.captioning.caption_key.{name}", lambda *_: "0.0")
            assert key() != before


def identity(scheme: str, where: object, loading: Loading | None = None) -> dict[str, str]:
    return dict(ModelSource("x", scheme, str(where), None, loading or Loading()).identity)


def test_every_file_of_a_model_counts(untrained: Path, tmp_path: Path) -> None:
    folder = untrained / "diffusion"
    assert len(identity("folder", folder)) == len([p for p in folder.rglob("*") if p.is_file()])
    captions = tmp_path / "a.json"
    captions.write_text("{}")
    first = identity("captions", captions)
    captions.write_text('{"a": "b"}')
    assert identity("captions", captions) != first
    servers = [identity("openai", "gpt-x", Loading(base_url=f"http://{name}")) for name in "ab"]
    assert servers[0] != servers[1]


def test_what_a_worker_runs_counts(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text("command: [python, worker.py, --checkpoint, weights]")
    (tmp_path / "worker.py").write_text("1")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a").write_text("1")
    seen = [identity("worker", tmp_path / "w.yaml")]
    for file in ("worker.py", "weights/a"):
        (tmp_path / file).write_text("2")
        seen.append(identity("worker", tmp_path / "w.yaml"))
    assert len({str(found) for found in seen}) == 3


class Plain:
    """A rule that is no dataclass, as other people may write one."""

    def __init__(self, share: float) -> None:
        self.share = share


def test_a_rule_has_the_same_key_in_every_process() -> None:
    """What is hashed holds no memory address, for which nothing would ever be reused."""
    one, same, other = (as_plain(Plain(share)) for share in (0.5, 0.5, 0.25))
    assert one == same != other
    sampler = RuleSampler(name="x", unmask=Plain(0.5))  # type: ignore[arg-type]
    assert " at 0x" not in json.dumps(as_plain(sampler))
    assert as_plain(sampler) != as_plain(RuleSampler(name="x"))
    assert "Plain" in json.dumps(as_plain(Plain))
