"""The mean of the weights of two models."""

from pathlib import Path

import pytest
import torch
from torch import nn
from toy_recipes import toy, weights

from rediff.models.checkpoint import Checkpoint
from rediff.training.stages.average import AverageStage, mix
from rediff.training.stages.base import Run


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_every_weight_lies_between(share: float, trained: Path, tmp_path: Path) -> None:
    stage = AverageStage(start="base", stage="control", share=share)
    stage.run(Run(toy(), trained, tmp_path))
    before, after = weights(trained / "base"), weights(trained / "control")
    for key, weight in weights(tmp_path).items():
        mixed = (1 - share) * before[key] + share * after[key]
        torch.testing.assert_close(weight, mixed, atol=1e-6, rtol=1e-6)
    assert any((before[key] != after[key]).any() for key in before)


def test_weights_that_are_shared_are_mixed_once() -> None:
    first, last = (nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)]) for _ in range(2))
    for model, value in ((first, 0.0), (last, 1.0)):
        model[1].weight = model[0].weight
        nn.init.constant_(model[0].weight, value)
    mix(first, last, 0.25)
    assert (last[1].weight == 0.25).all()


def test_autoregressive_models_are_refused() -> None:
    refused = "'left-to-right' is an autoregressive model, and this needs a diffusion model"
    for start, stage in (("base", "left-to-right"), ("left-to-right", "base")):
        assert AverageStage(start=start, stage=stage).problem(toy()) == refused


def test_other_shapes_are_refused(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "base").symlink_to(trained / "base")
    other = Checkpoint.load(trained / "control" / "model")
    other.model.resize_token_embeddings(other.model.config.get_text_config().vocab_size + 1)
    other.save(tmp_path / "control" / "model")
    stage = AverageStage(start="base", stage="control")
    with pytest.raises(ValueError, match="'base' and 'control' differ in shape"):
        stage.run(Run(toy(), tmp_path, tmp_path / "mean"))
