"""`run --plan` says what a run would take and runs nothing."""

from pathlib import Path

import pytest
from programs import inside, program
from servers import Server, serving

from rediff.llm_client.prices import PRICES, Price, load_prices
from rediff_eval.estimate import PICTURE_TOKENS, PlannedCell, plan
from rediff_eval.captioning.models import find_model
from rediff_eval.benchmarks.load import samples_of
from rediff_eval.spec import RunSpec
from rediff_eval.benchmarks.task import load_task


def test_a_plan_counts_everything_and_runs_nothing(untrained: Path, tmp_path: Path) -> None:
    output = program(
        "run", "--task", "capture", "--limit", "100", "--steps", "16,4", "--plan", "--out",
        tmp_path / "run", "--model", untrained / "diffusion", "--model",
        untrained / "autoregressive", "--guidance", "1",
    )  # fmt: skip
    assert "3 cells" in output
    assert not (tmp_path / "run").exists()


def spec(*models: str, **more: object) -> RunSpec:
    chosen = tuple(find_model(name) for name in models)
    return RunSpec(task=load_task("capture"), models=chosen, out=Path("x"), **more)  # type: ignore[arg-type]


def planned(run: RunSpec, prices: Path | None = None) -> list[PlannedCell]:
    return plan(run, samples_of(run), prices)


def test_the_numbers_of_a_plan(untrained: Path) -> None:
    (first, second) = planned(spec(str(untrained / "diffusion"), limit=100, steps=(16, 4)))
    assert (first.samples, first.passes, first.tokens) == (100, 1600, 1600)
    assert (second.passes, second.judge_calls, second.dollars) == (400, 0, 0)
    assert first.seconds is not None
    assert first.seconds > 0
    (guided,) = planned(spec(str(untrained / "diffusion"), limit=100, steps=(4,), guidance=1.0))
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
        (known,) = planned(spec("openai:m", limit=10, base_url=address), prices)
        (strange,) = planned(spec("openai:other", limit=10, base_url=address), prices)
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
