"""`rediff-eval speed` on untrained models: what it measures, and what it writes."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from programs import inside, program

from rediff.captioners.base import Capabilities, Caption, CaptionRequest, Decoding, Failure
from rediff.models.checkpoint import Checkpoint
from rediff_eval.captioning.config import Condition
from rediff_eval.speed.machine import PeakMemory, _cpu_energy
from rediff_eval.speed.measure import Candidate, Interval, measure


@pytest.fixture(scope="module")
def measured(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("speed")
    inside(
        "speed", "--model", untrained / "diffusion", "--model", untrained / "autoregressive",
        "--sampler", "refine,refresh=1|4", "--steps", "8,4", "--batch-size", "3", "--rounds", "2",
        "--limit", "4", "--out", out,
    )  # fmt: skip
    return out


def test_every_condition_has_its_row(measured: Path) -> None:
    made = json.loads((measured / "speed.json").read_text())
    names = [(row["model"], row["sampler"], row["steps"]) for row in made["rows"]]
    samplers = ("refine,refresh=1", "refine,refresh=4")
    assert names == [
        *(("diffusion", sampler, steps) for sampler in samplers for steps in (8, 4)),
        ("autoregressive", "greedy", 16),
    ]
    for row in made["rows"]:
        assert set(row["seconds"]) == {"1", "3"}
        assert all(len(values) == 2 for values in row["seconds"].values())
        latency = row["latency"]
        assert 0 < latency["low"] <= latency["value"] <= latency["high"]
        assert row["batch_size"] in (1, 3)
        assert row["flops"] > 0
        assert row["phases"]["picture"] > 0
        assert row["phases"]["steps"] > 0
    assert made["rounds"] == 2
    assert made["versions"]["torch"] == torch.__version__.partition("+")[0] or made["versions"]


def test_old_prompts_are_fewer_operations(measured: Path) -> None:
    rows = json.loads((measured / "speed.json").read_text())["rows"]
    exact, kept = rows[0], rows[2]
    assert exact["passes"] == kept["passes"] == 8
    assert kept["computed"] < exact["computed"]
    assert kept["flops"] < exact["flops"]


def test_table_and_plot_can_be_looked_at(measured: Path) -> None:
    table = (measured / "speed.md").read_text()
    assert "| autoregressive | greedy | 16 |" in table
    assert "not known" in table
    with Image.open(measured / "speed.png") as picture:
        assert picture.width > 800
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10


class Slow:
    """Takes as long as it is told, and says so."""

    capabilities = Capabilities(kind="slow", length=4, sampler="own")

    def __init__(self, seconds: float, order: list[str], name: str) -> None:
        self.seconds, self.order, self.name = seconds, order, name

    def caption(
        self, requests: list[CaptionRequest], decoding: Decoding
    ) -> list[Caption | Failure]:
        self.order.append(f"{self.name}{len(requests)}")
        time.sleep(self.seconds)
        return [Caption("words", tokens=1, nfe=2) for _ in requests]

    def close(self) -> None:
        pass


def candidates(*captioners: Slow) -> list[Candidate]:
    return [Candidate(Condition(c.name, "own", None, None), c) for c in captioners]


def test_cells_take_turns_and_a_first_round_is_not_counted() -> None:
    order: list[str] = []
    quick, slow = Slow(0.005, order, "a"), Slow(0.03, order, "b")
    found = measure(
        candidates(quick, slow), [Image.new("RGB", (4, 4))], batches=[2], rounds=3,
        device=torch.device("cpu"), prompt="?",
    )  # fmt: skip
    assert order == ["a1", "b1", "a2", "b2", "a1", "b1"] * 4
    one, other = found
    assert len(one.seconds[1]) == 3
    assert one.latency.value < other.latency.value
    assert other.best_batch == 2
    assert other.throughput.value == pytest.approx(2 / 0.03, rel=0.3)
    assert other.mean("nfe") == 2
    assert other.mean("flops") is None
    assert other.phase("steps") is None


def test_a_failure_names_its_condition() -> None:
    class Broken(Slow):
        def caption(
            self, requests: list[CaptionRequest], decoding: Decoding
        ) -> list[Caption | Failure]:
            return [Failure("the model is asleep")]

    with pytest.raises(RuntimeError, match="x own: no caption: the model is asleep"):
        measure(
            candidates(Broken(0, [], "x")), [Image.new("RGB", (4, 4))], batches=[1], rounds=2,
            device=torch.device("cpu"), prompt="?",
        )  # fmt: skip


def test_an_interval_holds_its_median() -> None:
    found = Interval.of([1.0, 2.0, 3.0, 50.0, 2.5])
    assert found.value == 2.5
    assert 1.0 <= found.low <= 2.5 <= found.high <= 50.0
    assert Interval.of([1.0, 2.0, 3.0, 50.0, 2.5]) == found


def test_memory_is_not_known_on_a_cpu() -> None:
    """Where what was done before would count."""
    memory = PeakMemory(torch.device("cpu"))
    memory.start()
    assert memory.beyond() is None


def test_a_model_of_several_samplers_is_opened_once(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    load = Checkpoint.load
    monkeypatch.setattr(
        Checkpoint, "load", lambda folder, **given: opened.append(folder) or load(folder, **given)
    )
    model = f"{untrained / 'diffusion'}:refine,refresh=1|2"
    inside(
        "speed", "--model", model, "--steps", "4", "--rounds", "2", "--batch-size", "1",
        "--out", tmp_path / "speed",
    )  # fmt: skip
    assert len(opened) == 1
    inside(
        "run", "--task", "capture", "--limit", "2", "--model", model, "--steps", "4",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert len(opened) == 2


def test_energy_is_the_sum_of_packages_and_survives_a_counter_that_begins_again(
    tmp_path: Path,
) -> None:
    for number in (0, 1):
        package = tmp_path / f"intel-rapl:{number}"
        package.mkdir()
        (package / "name").write_text(f"package-{number}\n")
        (package / "energy_uj").write_text("900")
        (package / "max_energy_range_uj").write_text("999")
    psys = tmp_path / "intel-rapl:2"
    psys.mkdir()
    (psys / "name").write_text("psys\n")
    read = _cpu_energy(tmp_path)
    assert read is not None
    assert read() == 0
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("950")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("100")
    assert read() == pytest.approx((50 + 200) / 1e6)
    assert _cpu_energy(tmp_path / "nowhere") is None


def test_mistakes_are_one_sentence(untrained: Path, tmp_path: Path) -> None:
    said = program("speed", "--model", "redif", "--out", tmp_path, ok=2)
    assert "unknown model 'redif'; did you mean 'rediff'?" in said
    said = program(
        "speed", "--model", untrained / "diffusion", "--steps", "99", "--out", tmp_path, ok=2
    )
    assert "99 steps" in said
