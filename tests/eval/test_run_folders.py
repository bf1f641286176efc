"""Which folder a command resumes in, what it may not take away, and what a start costs."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from programs import inside, numbers, program, wait_until

from rediff.plugins import source_hash
from rediff_eval.benchmarks.task import load_task
from rediff_eval.captioning.caption_key import NO_CAPTION, code_files, parts_of
from rediff_eval.metrics.base import METRICS, MetricInfo
from rediff_eval.views.columns import shown

RUN = ("run", "--task", "capture", "--limit", "3", "--steps", "4")


def test_the_same_command_without_a_folder_goes_on(untrained: Path, tmp_path: Path) -> None:
    """Interrupted as by Ctrl-C while it captions; the start after it finds the folder."""
    command = [sys.executable, "-m", "rediff_eval", "run", "--task", "capture", "--limit", "600",
               "--steps", "4", "--batch-size", "1", "--model", untrained / "diffusion"]  # fmt: skip
    first = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    written = "runs/*/parts/rank-0.jsonl"
    wait_until(lambda: any(path.stat().st_size for path in tmp_path.glob(written)), first)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate()
    assert first.returncode == 130
    assert "What was saved is kept. To resume" in said
    (folder,) = (tmp_path / "runs").iterdir()
    before = len(next(tmp_path.glob(written)).read_text().splitlines())
    out = program("leaderboard", folder, ok=2, cwd=tmp_path)
    assert "is not a finished run" in out
    program(*RUN, "--model", untrained / "diffusion", cwd=tmp_path)
    assert len(list((tmp_path / "runs").iterdir())) == 2, "other settings have another folder"
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f"Resumes runs/{folder.name}" in done.stderr
    assert f"{before} were done before" in done.stderr
    assert f"Results in runs/{folder.name}" in done.stdout
    out = program("leaderboard", *sorted((tmp_path / "runs").iterdir()), tmp_path, cwd=tmp_path)
    assert f"Note: {tmp_path} is left out: it is not a finished run" in out


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--model", "OTHER"), "models"), (("--steps", "8"), "steps"),
        (("--sampler", "refine"), "samplers"), (("--limit", "2"), "samples"),
        (("--guidance", "0.5"), "guidance"), (("--task", "scenes-qa"), "task and data"),
        (("--preset", "official"), "scoring"), (("--seed", "1"), "scoring"),
        (("--max-tokens", "8"), "loading"), (("--dtype", "bfloat16"), "loading"),
    ],
)  # fmt: skip
def test_a_finished_run_is_not_taken_away_by_other_settings(
    more: Sequence[str], what: str, finished: Path, untrained: Path
) -> None:
    before = (finished / "results.json").read_bytes()
    model = untrained / ("autoregressive" if "OTHER" in more else "diffusion")
    arguments = [part for part in more if part not in ("--model", "OTHER")]
    with pytest.raises(ValueError, match=f"holds a finished run with other {what}"):
        inside(*RUN, "--model", model, "--out", finished, *arguments)
    assert (finished / "results.json").read_bytes() == before


def test_a_judge_that_is_left_out_takes_its_verdicts_not_away(tmp_path: Path) -> None:
    run = ("run", "--task", "capmas", "--limit", "2", "--model", "rediff", "--steps", "10", "--out",
           tmp_path / "run")  # fmt: skip
    inside(*run)
    inside(*run, "--judge", "oracle")
    with pytest.raises(ValueError, match="holds a finished run with other judge"):
        inside(*run, "--judge", "oracle:0.1")


def test_more_of_the_same_is_added_to_a_finished_run(finished: Path, untrained: Path) -> None:
    inside(*RUN[:-1], "8,4", "--model", untrained / "diffusion", "--model",
           untrained / "autoregressive", "--limit", "4", "--out", finished)  # fmt: skip
    rows = numbers(finished)
    assert {row["model"] for row in rows} == {"diffusion", "autoregressive"}
    assert {row["steps"] for row in rows} == {"4", "8", "16"}


@pytest.fixture
def finished(untrained: Path, tmp_path: Path) -> Path:
    inside(*RUN, "--model", untrained / "diffusion", "--out", tmp_path / "run")
    return tmp_path / "run"


def test_a_run_without_its_samples_says_the_reason(finished: Path) -> None:
    for name in ("captions.jsonl", "samples.csv"):
        (finished / name).unlink()
    for verb in ("compare", "report"):
        out = program(verb, finished, ok=2)
        assert f"{finished} is a finished run without" in " ".join(out.split())
        assert "make it again by the command that its results.json names" in out


def test_any_embedded_scene_is_quick_or_refused() -> None:
    assert "from 0 to 9999" in program("caption", "scene:99999999", ok=2)


def test_a_photograph_is_no_scene(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 90).convert("RGB").save(tmp_path / "cat.jpg")
    out = program("caption", tmp_path / "cat.jpg")
    assert "rediff was trained on the embedded scenes alone" in out
    assert "trained on the embedded scenes" not in program("caption", "scene:1")


def test_an_unknown_metric_is_told_before_anything_is_captioned(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = load_task("capture").model_copy(update={"metrics": ("scene-graf", "cost")})
    monkeypatch.setattr("rediff_eval.benchmarks.task.load_yaml", lambda path, kind: task)
    with pytest.raises(ValueError, match="unknown metric 'scene-graf'; did you mean 'scene-graph'"):
        inside(*RUN, "--model", untrained / "diffusion", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_every_metric_is_shown_but_for_named_parts(finished: Path) -> None:
    """One that no list names, too; and each that a run measured."""
    infos = {
        info.name: info
        for info in (MetricInfo("capture"), MetricInfo("nfe"), MetricInfo("bleu1", part=True))
    }
    assert shown(["capture", "my_own"], "capture", infos) == ["capture", "my_own"]
    assert shown(["my_main", "nfe"], "my_main", infos) == ["my_main", "nfe"]
    assert shown(["bleu1", "nfe"], "nfe", infos) == ["nfe"]
    assert shown(["bleu1", "nfe"], "bleu1", infos) == ["bleu1", "nfe"]
    parts = {info.name for group in METRICS.values() for info in group.infos if info.part}
    measured = {row["metric"] for row in numbers(finished)} - parts - {"capture_lite"}
    head = next(line for line in (finished / "leaderboard.md").read_text().splitlines()
                if line.startswith("| model"))  # fmt: skip
    assert measured <= {cell.strip() for cell in head.split("|")}
    assert {"scene-graph", "cost", "revision"} <= set(METRICS)


def test_passes_are_shown_beside_the_budget(tmp_path: Path, untrained: Path) -> None:
    inside(*RUN, "--model", untrained / "diffusion", "--sampler", "refine", "--out", tmp_path / "r")
    found = {row["metric"]: float(row["value"]) for row in numbers(tmp_path / "r")}
    assert found["tokens_per_pass"] == pytest.approx(found["tokens"] / found["nfe"], rel=1e-4)


def test_a_caption_key_covers_all_code_but_the_trainings() -> None:
    import rediff

    root = Path(rediff.__file__).parent
    covered = {path.relative_to(root).parts[0] for path in code_files() if root in path.parents}
    folders = {path.name for path in root.iterdir() if (path / "__init__.py").is_file()}
    assert folders - covered == {NO_CAPTION}
    assert {"plugins.py", "io"} <= covered
    assert root / "captioners" / "workers" / "protocol.py" in code_files()


def test_a_rule_whose_body_changes_makes_its_captions_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that is outside of this package."""
    from rediff.decoding.sampler import RuleSampler

    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for number, body in enumerate(("return None", "return 1")):
        (tmp_path / f"rule{number}.py").write_text(f"class Rule:\n    def f(self): {body}\n")
        module: Any = __import__(f"rule{number}")
        found.append(source_hash(parts_of(RuleSampler(name="x", unmask=module.Rule()))))
    assert [list(hashes) for hashes in found] == [["rule0"], ["rule1"]]
    assert found[0]["rule0"] != found[1]["rule1"]


def test_weights_are_read_once(untrained: Path, tmp_path: Path) -> None:
    reads: list[str] = []
    wanted = (str(untrained / "diffusion" / "model.safetensors"), "r")

    def watch(event: str, arguments: Any) -> None:
        if watching and event == "open" and (str(arguments[0]), arguments[1]) == wanted:
            reads.append(event)

    watching = True
    sys.addaudithook(watch)
    inside(*RUN, "--model", untrained / "diffusion", "--out", tmp_path / "run")
    watching = False
    assert len(reads) == 1, "hashed once; safetensors maps the file by itself"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs on two captions."""
    root = tmp_path_factory.mktemp("small")
    captions = root / "theirs.json"
    texts = {f"scenes-test-0-{i:05d}": f"a red square number {i}" for i in range(2)}
    captions.write_text(json.dumps(texts))
    for name in "ab":
        inside("score", captions, "--task", "capture", "--limit", "2", "--name", name, "--out",
               root / name)  # fmt: skip
    lines = (root / "a" / "captions.jsonl").read_text().splitlines()
    trace = {"length": 1, "truth": None, "steps": [[[0, "a", 1.0, "c"]]]}
    kept = [json.dumps({**json.loads(line), "trace": trace}) + "\n" for line in lines]
    (root / "a" / "captions.jsonl").write_text("".join(kept))
    return root


VIEWS = {
    "list models": [], "list samplers": [], "list tasks": [], "list recipes": [],
    "show": ["a", "--delay", "0"], "report": ["a", "b"],
    "compare": ["a", "b", "--metric", "capture"], "leaderboard": ["a", "b"],
}  # fmt: skip


@pytest.mark.parametrize("verb", VIEWS)
def test_what_only_shows_loads_no_torch(verb: str, small: Path) -> None:
    code = (
        "import sys\n"
        "from rediff_eval.cli import cli\n"
        "cli.main(sys.argv[1:], standalone_mode=False)\n"
        "heavy = {'torch', 'transformers', 'datasets'} & sys.modules.keys()\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    arguments = [*verb.split(), *VIEWS[verb]]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=small, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < 5, "seconds of CPU; on an idle machine each is below 1.5"


def test_a_plan_says_what_it_assumes(tmp_path: Path, untrained: Path) -> None:
    out = program("train", "--recipe", "refine", "--plan")
    assert "no --checkpoint was named, so LLaDA-V's published shape is planned" in out
    out = program("train", "--recipe", "refine", "--plan", "--checkpoint", untrained / "diffusion")
    assert "published shape" not in out
    assert "0.05 TFLOP/s are assumed of a core of this machine" in out


def test_keys_of_a_file_are_the_text_that_they_are(tmp_path: Path) -> None:
    """YAML takes 2014, no and 1e3 for something else."""
    from rediff.data.mixture import Mixture

    source = {"format": "lines", "path": "a.json", "images": "."}
    text = "tokenizer: x\nsources:\n" + "".join(
        f"  {name}: {json.dumps(source)}\n" for name in ("2014", "no", "1e3", "~", "007")
    )
    (tmp_path / "mixture.yaml").write_text(text)
    assert list(Mixture.load(tmp_path / "mixture.yaml").sources) == [
        "2014",
        "no",
        "1e3",
        "~",
        "007",
    ]
    (tmp_path / "mixture.yaml").write_text(text + f"  no: {json.dumps(source)}\n")
    with pytest.raises(ValueError, match=r"mixture\.yaml.*duplicate key 'no'"):
        Mixture.load(tmp_path / "mixture.yaml")
    assert yaml.safe_load("no: 1") == {False: 1}


def test_nothing_of_libraries_reaches_the_screen(tmp_path: Path, untrained: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    exif = b"\xff\xe1\x00\x16Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12\x01"
    (tmp_path / "a.jpg").write_bytes(content[:2] + exif + content[2:])
    (tmp_path / "captions.jsonl").write_text('{"image": "a.jpg", "references": ["a dog"]}')
    out = program("run", "--task", "captions", "--data", tmp_path, "--model",
                  untrained / "diffusion", "--steps", "4", "--out", tmp_path / "run")  # fmt: skip
    assert "Warning" not in out
    assert "Loading weights" not in out
    assert os.environ.get("PYTHONWARNINGS") is None
