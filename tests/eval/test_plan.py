"""`run --plan` says what a run would take and runs nothing."""

from pathlib import Path

import pytest
from programs import inside, program
from servers import Server, serving

from rediff.captioners.sources import Loading, find_model
from rediff.llm_client.prices import PRICES, Price, load_prices
from rediff_eval.benchmarks.load import DataConfig
from rediff_eval.benchmarks.task import load_task
from rediff_eval.captioning.config import CaptioningConfig
from rediff_eval.estimate import PICTURE_TOKENS, PlannedCondition, plan
from rediff_eval.evaluate import Evaluation


def test_a_plan_counts_everything_and_runs_nothing(untrained: Path, tmp_path: Path) -> None:
    output = program(
        "run", "--task", "capture", "--limit", "100", "--steps", "16,4", "--plan", "--out",
        tmp_path / "run", "--model", untrained / "diffusion", "--model",
        untrained / "autoregressive", "--guidance", "1",
    )  # fmt: skip
    assert "3 conditions" in output
    assert not (tmp_path / "run").exists()


def evaluation(
    model: str, *, limit: int, steps: tuple[int, ...] = (), guidance: float = 0.0,
    base_url: str | None = None,
) -> Evaluation:  # fmt: skip
    source = find_model(model, Loading(base_url=base_url))
    return Evaluation(
        data=DataConfig(task=load_task("capture"), limit=limit),
        captioning=CaptioningConfig(models=(source,), steps=steps, guidance=guidance),
        folder=Path("x"),
    )


def planned(run: Evaluation, prices: Path | None = None) -> list[PlannedCondition]:
    return plan(run, run.load_samples(), prices)


def test_the_numbers_of_a_plan(untrained: Path) -> None:
    (first, second) = planned(evaluation(str(untrained / "diffusion"), limit=100, steps=(16, 4)))
    assert (first.samples, first.passes, first.tokens) == (100, 1600, 1600)
    assert (second.passes, second.judge_calls, second.dollars) == (400, 0, 0)
    assert first.seconds is not None
    assert first.seconds > 0
    (guided,) = planned(
        evaluation(str(untrained / "diffusion"), limit=100, steps=(4,), guidance=1.0)
    )
    assert guided.passes == 800


def test_a_server_is_not_asked_and_its_price_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    prices = tmp_path / "prices.yaml"
    prices.write_text("m: {input: 1.0, output: 2.0}\n")
    with serving() as server:
        assert isinstance(server, Server)
        address = f"{server.url}/v1"
        (known,) = planned(evaluation("openai:m", limit=10, base_url=address), prices)
        (strange,) = planned(evaluation("openai:other", limit=10, base_url=address), prices)
        assert server.seen == []
    words = len(load_task("capture").prompt.split())
    asked, written = (PICTURE_TOKENS + 2 * words) * 10, 512 * 10
    assert known.dollars == pytest.approx((asked + 2 * written) / 1e6)
    assert (strange.dollars, known.seconds, known.passes) == (None, None, None)


def test_broken_prices_are_named(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("m: {inputs: 1, output: 2}")
    with pytest.raises(ValueError, match=r"p\.yaml: m\.inputs: unknown key"):
        load_prices(path)
    path.write_text("m: [")
    with pytest.raises(ValueError, match="not valid YAML"):
        load_prices(path)


def test_shipped_prices_are_read() -> None:

    assert all(isinstance(price, Price) for price in load_prices(PRICES).values())


def test_show_plays_a_kept_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inside("run", "--task", "capture", "--limit", "2", "--traces", "1", "--model", "rediff",
           "--steps", "20,10", "--out", str(tmp_path))  # fmt: skip
    capsys.readouterr()
    inside("show", str(tmp_path), "--steps", "10")
    output = capsys.readouterr().out
    assert output.startswith("scenes-test-0-00000: rediff (refine), 10 steps\n")
    assert "step 1/10" in output
    assert "░" in output
    with pytest.raises(ValueError, match="kept the steps of no such caption"):
        inside("show", str(tmp_path), "--id", "scenes-test-0-00001")
