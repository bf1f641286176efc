"""The plan's figures against what stages really have and take."""

from pathlib import Path
from typing import Any

import pytest
import torch
from programs import inside
from tiny_models import TOY

from rediff.scenes.training.data import tiny_checkpoint
from rediff.training.collator import CaptionerForTraining
from rediff.training.estimate import count_parameters, plan
from rediff.training.lora import add_lora
from rediff.training.optimisation import Optimisation
from rediff.training.optimizers import build_optimizer
from rediff.training.planning import PlannedStage
from rediff.training.recipe import Recipe
from rediff.training.recipe_files import find_recipe
from rediff.training.trainer import choose_trained

ADAM: dict[str, Any] = {"steps": 10, "batch_size": 8, "optimizer": "adamw", "lr": 1e-3}


def planned(recipe: str, processes: int, tflops: float = 400.0) -> dict[str, PlannedStage]:
    loaded = Recipe.load(find_recipe(recipe))
    return {s.stage: s for s in plan(loaded, processes=processes, tflops=tflops)}


def test_the_published_shape_has_the_published_size() -> None:
    revision = planned("rediff-8b", 8)["revision"]
    assert revision.parameters == revision.trained
    assert 8.3e9 < (revision.parameters or 0) < 8.6e9
    assert (revision.tokens or 0) / (1016 * 256) == pytest.approx(3700, rel=0.1)


@pytest.mark.parametrize("lora", [None, {"rank": 4, "alpha": 8}])
def test_parameters_are_those_of_the_trainer(lora: dict[str, Any] | None) -> None:
    settings = Optimisation.model_validate({**ADAM, "lora": lora})
    recipe = Recipe.load(find_recipe("scenes")).model_copy(update={"model": TOY})
    network = tiny_checkpoint(recipe).model
    total, trained = count_parameters(network, settings)
    real = CaptionerForTraining(network, causal=False)
    if settings.lora is not None:
        add_lora(network, settings.lora, seed=0)
    choose_trained(real, settings)
    assert total == sum(p.numel() for p in real.parameters())
    assert trained == sum(p.numel() for p in real.parameters() if p.requires_grad)
    optimizer = build_optimizer(real, settings)
    for parameter in real.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    states = sum(
        t.numel() * t.element_size()
        for state in optimizer.state.values()
        for t in state.values()
        if t.ndim
    )
    gradients = sum(p.grad.numel() * 4 for p in real.parameters() if p.grad is not None)
    assert states + gradients + 4 * trained == 16 * trained


def test_sharing_out_divides_the_states_and_lora_fits_one_gpu() -> None:
    one, eight = (planned("rediff-8b", n)["revision"].memory or 0 for n in (1, 8))
    assert one > 128e9 > 80e9 > eight
    lora = planned("rediff-8b-lora", 1)["revision"]
    assert 16e9 < (lora.memory or 0) < 80e9
    assert (lora.trained or 0) == 64 * 32 * (4 * (4096 + 4096) + 3 * (4096 + 12288))


def test_checkpointing_saves_memory_and_takes_time() -> None:
    recipe = Recipe.load(find_recipe("scenes"))
    raw = recipe.model_dump(mode="json")
    raw["stages"]["base"]["optimisation"]["gradient_checkpointing"] = True
    plain, saving = (
        next(s for s in plan(r, processes=1, tflops=1.0) if s.stage == "base")
        for r in (recipe, Recipe.model_validate(raw))
    )
    assert (plain.memory or 0) > (saving.memory or 0)
    assert (saving.hours or 0) == pytest.approx((plain.hours or 0) * 4 / 3)
    assert plain.tokens == 600 * 64 * 105
    network = tiny_checkpoint(recipe).model
    settings = recipe.stages["base"].optimisation  # type: ignore[union-attr]
    assert count_parameters(network, settings)[0] == plain.parameters


def test_the_table_names_money_and_hours(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    inside("train", "--recipe", "rediff-8b", "--plan", "--devices", "8", "--out", tmp_path / "no")
    shown = capsys.readouterr().out
    assert "8 device(s) at 400 TFLOP/s" in shown
    assert "15,000" in shown
    assert "72.68" in shown
    assert not (tmp_path / "no").exists()
    with pytest.raises(ValueError, match="256 rows does not split"):
        inside("train", "--recipe", "rediff-8b", "--plan", "--devices", "7")
