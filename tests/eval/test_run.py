"""`rediff-eval run` and its neighbours, as a person calls them."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from programs import program

from rediff.captioners.sources import find_model
from rediff.scenes.dataset import load_scenes
from rediff_eval.results.numbers import COLUMNS
from rediff_eval.views.leaderboard import load, pivot

METRICS = {
    "capture", "object_f1", "attribute_f1", "relation_f1", "hallucination", "coverage",
    "capture_lite", "lite_object_f1", "lite_attribute_f1", "lite_relation_f1", "repetition",
    "fluency", "bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "cider", "nfe", "seconds", "tokens",
    "tokens_per_pass", "truncated", "revisions", "flips", "gflop", "computed", "order",
    "certainty", "commits_per_pass",
}  # fmt: skip
SEEN = {"revisions", "flips", "order", "certainty", "commits_per_pass"}
"""Metrics of models whose denoising steps are seen; an autoregressive model has none."""


@pytest.fixture(scope="module")
def finished(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    program(
        "run", "--task", "capture", "--limit", "4", "--steps", "16,4", "--out", out,
        "--model", untrained / "diffusion", "--model", f"{untrained / 'diffusion'}:refine",
        "--model", untrained / "autoregressive",
    )  # fmt: skip
    return out


def test_the_csv_has_a_row_for_every_number(finished: Path) -> None:
    rows = list(csv.DictReader((finished / "results.csv").open()))
    assert tuple(rows[0]) == COLUMNS
    assert {row["metric"] for row in rows} == METRICS
    cells = {(row["model"], row["sampler"], row["steps"]) for row in rows}
    assert cells == {
        ("diffusion", "mask-predict", "16"), ("diffusion", "mask-predict", "4"),
        ("diffusion", "refine", "16"), ("diffusion", "refine", "4"),
        ("autoregressive", "greedy", "16"),
    }  # fmt: skip
    assert len(rows) == len(cells) * len(METRICS) - len(SEEN)
    for row in rows:
        assert row["n"] == "4"
        assert float(row["low"]) <= float(row["value"]) + 1e-9
        assert float(row["value"]) <= float(row["high"]) + 1e-9


def test_every_caption_is_kept(finished: Path) -> None:
    lines = [json.loads(line) for line in (finished / "captions.jsonl").read_text().splitlines()]
    assert len(lines) == 5 * 4
    assert {line["nfe"] for line in lines if line["steps"] == 4} <= {1, 2, 3, 4}


def test_the_manifest_says_what_made_it(finished: Path) -> None:
    manifest = json.loads((finished / "results.json").read_text())["manifest"]
    assert manifest["seed"] == 0
    assert manifest["data"]["samples"] == 4
    assert {"python", "torch", "transformers"} <= set(manifest["versions"])
    assert all(len(model["weights_sha256"]) == 64 for model in manifest["models"].values())


def test_pages_and_pictures_are_written(finished: Path) -> None:
    assert "| diffusion | refine | 4 |" in (finished / "leaderboard.md").read_text()
    assert (finished / "quality.png").stat().st_size > 10_000


def test_leaderboards_collect_runs(finished: Path) -> None:
    frame = load([finished])
    wide = pivot(frame, "nfe")
    assert wide.loc[(slice(None), "diffusion", "mask-predict"), 4.0].item() <= 4
    with pytest.raises(ValueError, match="did you mean 'capture'"):
        pivot(frame, "captur")
    assert "mask-predict" in program("leaderboard", finished, "--metric", "nfe", "--format", "md")


def test_the_same_command_gives_the_same_captions(finished: Path, untrained: Path) -> None:
    again = finished.parent / "again"
    program(
        "run", "--task", "capture", "--limit", "4", "--steps", "4", "--out", again,
        "--model", untrained / "diffusion", "--batch-size", "3",
    )  # fmt: skip

    def texts(folder: Path) -> dict[str, str]:
        lines = map(json.loads, (folder / "captions.jsonl").read_text().splitlines())
        own = [r for r in lines if (r["sampler"], r["steps"]) == ("mask-predict", 4)]
        return {r["id"]: r["text"] for r in own}

    assert len(texts(again)) == 4
    assert texts(again) == texts(finished)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "captur"], "unknown task 'captur'; did you mean 'capture'?"),
        (["--task", "capture", "--model", "rediffs"], "unknown model 'rediffs'; did you mean"),
        (
            ["--task", "capture", "--sampler", "refin"],
            "unknown sampler 'refin'; did you mean 'refine'?",
        ),
        (["--task", "capture", "--model", "rediff:refin"], "did you mean 'refine'?"),
        (["--task", "capture", "--steps", "ten"], "'ten': expected whole numbers"),
        (["--task", "capture", "--stepz", "8"], "No such option"),
        (["--task", "capture", "--limit", "0"], "0 is not in the range"),
        (["--task", "capture", "--data", "nowhere"], "no folder or file nowhere"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], message: str, tmp_path: Path) -> None:
    output = program("run", *arguments, "--out", tmp_path, ok=2)
    assert message in output
    assert "Traceback" not in output


def test_an_unknown_command_suggests_the_nearest() -> None:
    assert "did you mean 'run'?" in program("rnu", ok=2)


def test_too_many_steps_are_refused(untrained: Path, tmp_path: Path) -> None:
    output = program(
        "run", "--task", "capture", "--steps", "17", "--out", tmp_path, "--limit", "1",
        "--model", untrained / "diffusion", ok=2,
    )  # fmt: skip
    assert "17 steps: diffusion writes 16 tokens, at least one a step" in output


def test_help_imports_neither_torch_nor_pandas() -> None:
    code = (
        "import sys; sys.argv = ['rediff-eval', '--help']\n"
        "from rediff_eval.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'pandas', 'transformers'} & set(sys.modules)))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip().endswith("[]")


class TestOwnData:
    """`--data`: the user's own pictures."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "mine"
        folder.mkdir()
        rows = load_scenes("validation", 3)
        for index, image in enumerate(rows["image"]):
            image.save(folder / f"{index}.png")
        return folder

    def run(self, untrained: Path, data: Path, *more: str, ok: int = 0) -> str:
        return program(
            "run", "--task", "capture", "--model", untrained / "diffusion", "--steps", "4",
            "--data", data, "--out", data.parent / "out", *more, ok=ok,
        )  # fmt: skip

    def test_a_folder_is_captioned(self, untrained: Path, folder: Path) -> None:
        self.run(untrained, folder)
        lines = (folder.parent / "out" / "captions.jsonl").read_text().splitlines()
        assert [json.loads(line)["id"] for line in lines] == ["0.png", "1.png", "2.png"]
        page = (folder.parent / "out" / "leaderboard.md").read_text()
        assert "scene-graph: not run, needs scene graphs" in page
        assert "ngram-lite: not run, needs references" in page

    def test_references_are_scored(self, untrained: Path, folder: Path) -> None:
        lines = [{"image": f"{i}.png", "references": ["a red circle ."]} for i in range(3)]
        (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
        self.run(untrained, folder)
        rows = list(csv.DictReader((folder.parent / "out" / "results.csv").open()))
        assert {"bleu4", "rouge_l", "cider"} <= {row["metric"] for row in rows}
        assert "capture" not in {row["metric"] for row in rows}

    def test_an_empty_folder_is_refused(self, untrained: Path, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        assert "empty holds no images" in self.run(untrained, tmp_path / "empty", ok=2)

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ('{"image": ', "lines.jsonl:2: not valid JSON"),
            ('{"picture": "0.png"}', "lines.jsonl:2: expected an object with an 'image' path"),
            ('{"image": "9.png"}', "lines.jsonl:2: no image file"),
            ('{"image": "1.png", "references": 7}', "lines.jsonl:2: 'references' must be"),
            ('{"image": "0.png"}', "lines.jsonl:2: duplicate id '0.png'"),
        ],
    )
    def test_a_bad_line_is_named(
        self, untrained: Path, folder: Path, line: str, message: str
    ) -> None:
        (folder / "lines.jsonl").write_text(f'{{"image": "0.png"}}\n{line}\n')
        assert message in self.run(untrained, folder / "lines.jsonl", ok=2)

    def test_an_unreadable_image_is_named_counted_and_survived(
        self, untrained: Path, folder: Path
    ) -> None:
        (folder / "1.png").write_bytes(b"no picture")
        output = self.run(untrained, folder, ok=1)
        assert "1 of 3 samples failed" in output
        assert "1.png: no picture in a known format" in output
        self.run(untrained, folder, "--max-failures", "0.5")
        results = json.loads((folder.parent / "out" / "results.json").read_text())
        assert list(results["cells"][0]["failures"]) == ["1.png"]
        assert results["cells"][0]["metrics"]["nfe"]["n"] == 2


def test_a_stage_s_checkpoint_is_called_by_its_stage(untrained: Path, tmp_path: Path) -> None:
    shutil.copytree(untrained / "diffusion", tmp_path / "stage1" / "model")
    assert find_model(str(tmp_path / "stage1" / "model")).name == "stage1"
    assert find_model(f"{untrained / 'diffusion'}:refine").sampler == "refine"


def test_guidance_costs_two_passes_a_step(untrained: Path, tmp_path: Path) -> None:
    output = program(
        "caption", "scene:0", "--model", untrained / "diffusion", "--steps", "4",
        "--guidance", "0.5",
    )  # fmt: skip
    passes = int(re.search(r"(\d+) forward passes", output)[1])  # type: ignore[index]
    assert passes in (2, 4, 6, 8)


def test_one_picture_is_described_and_its_trace_played(untrained: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    load_scenes("validation", 1)["image"][0].save(picture)
    output = program(
        "caption", picture, "--model", untrained / "diffusion", "--steps", "4", "--trace",
        "--sampler", "refine",
    )  # fmt: skip
    assert "step 1/" in output
    assert "forward passes" in output
    assert "no image file" in program(
        "caption", tmp_path / "b.png", "--model", untrained / "diffusion", ok=2
    )
