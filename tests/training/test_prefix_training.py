"""Prefix attention is trained by every stage, and what is trained is what decodes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from asking import about
from tiny_models import make_official
from toy_recipes import toy
from transformers import set_seed

from rediff.captioners.diffusion import prompt_ids, prompted_denoiser
from rediff.models.causal import is_causal
from rediff.models.checkpoint import Checkpoint
from rediff.models.prefix_attention import has_prefix_attention, set_prefix_attention
from rediff.scenes.example import scene
from rediff.scenes.training.data import tiny_checkpoint
from rediff.training.collator import CaptionerForTraining
from rediff.training.estimate import plan
from rediff.training.fingerprint import fingerprint
from rediff.training.optimisation import Optimisation
from rediff.training.pipeline import CHECKPOINTS, train
from rediff.training.recipe import Recipe
from rediff.training.recipe_files import find_recipe
from rediff.training.stages.base import MODEL, Run
from rediff.training.stages.checkpoint import CheckpointStage
from rediff.training.stages.predict import PredictStage


def test_every_stage_keeps_the_property(tmp_path: Path) -> None:
    recipe = toy(name="scenes-prefix")
    train(recipe, tmp_path)
    for name in recipe.export:
        assert has_prefix_attention(Checkpoint.load(tmp_path / CHECKPOINTS / name).model)
    folders = [path.parent for path in tmp_path.glob("*/model/config.json")]
    assert len(folders) > 6
    for folder in folders:
        model = Checkpoint.load(folder).model
        assert has_prefix_attention(model) != is_causal(model)


def test_a_stage_may_be_trained_under_it_alone(tmp_path: Path) -> None:
    """It ends with the weights of a model that has it, but sees the response as before."""
    recipe = toy()
    torch.manual_seed(0)
    made = tiny_checkpoint(recipe)
    made.save(tmp_path / "without" / "model")
    set_prefix_attention(made.model.config.get_text_config())
    made.save(tmp_path / "with" / "model")

    def trained(start: str, *, alone: bool) -> Checkpoint:
        stage = PredictStage(
            start=start,
            data=("plain",),
            canvas=11,
            prefix_attention=alone,
            optimisation=Optimisation(steps=2, batch_size=4, lr=0.01),
        )
        run = Run(recipe, tmp_path, tmp_path / f"{start}-{alone}")
        run.folder.mkdir()
        set_seed(0)
        stage.run(run)
        return Checkpoint.load(run.folder / MODEL)

    alone, has, full = (
        trained("without", alone=True),
        trained("with", alone=False),
        trained("without", alone=False),
    )
    assert [has_prefix_attention(one.model) for one in (alone, has, full)] == [False, True, False]
    states = [one.model.state_dict() for one in (alone, has, full)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not all(torch.equal(states[0][key], states[2][key]) for key in states[0])
    assert has_prefix_attention(trained("with", alone=True).model), "what a model has it keeps"


def test_training_sees_what_decoding_sees() -> None:
    """The logits of a batch, with its mask, are those after kept prompts."""
    torch.manual_seed(0)
    checkpoint = tiny_checkpoint(toy(name="scenes-prefix"))
    checkpoint.model.eval()
    requests = [replace(r, dialogue=d) for r, d in zip(
        about([scene(0).image, scene(1).image]), (None, ("where is it ?",)), strict=True
    )]  # fmt: skip
    images = checkpoint.image_batch([request.image for request in requests])
    canvas = torch.randint(20, 60, (2, checkpoint.config.canvas))
    prompts = prompt_ids(checkpoint, requests)
    sequences = [[*p, *c] for p, c in zip(prompts, canvas.tolist(), strict=True)]
    trained = CaptionerForTraining(checkpoint.model, causal=False)
    with torch.inference_mode():
        ours = trained(images.tiles, images.counts, images.sizes, sequences, canvas.size(1))
        kept = prompted_denoiser(checkpoint, requests)(canvas, torch.arange(2))
    torch.testing.assert_close(ours, kept, atol=1e-5, rtol=0)


def test_a_checkpoint_from_elsewhere_is_turned(tmp_path: Path) -> None:
    folder = make_official(tmp_path / "official")
    stage = CheckpointStage(folder=str(folder), prefix_attention=True)
    recipe = toy().with_stages({"llada-v": stage})
    run = Run(recipe, tmp_path, tmp_path / "llada-v")
    run.folder.mkdir()
    stage.run(run)
    assert has_prefix_attention(Checkpoint.load(run.folder / "model").model)
    full = recipe.with_stages({"llada-v": stage.model_copy(update={"prefix_attention": False})})
    assert fingerprint("llada-v", recipe) != fingerprint("llada-v", full)


@pytest.mark.parametrize("name", ["scenes", "scenes-prefix"])
def test_an_autoregressive_start_becomes_a_denoiser(name: str, tmp_path: Path) -> None:
    """With the same weights and the attention it had before; and the reverse."""
    recipe = toy(name=name)
    torch.manual_seed(0)
    made = tiny_checkpoint(recipe)
    made.save(tmp_path / "align" / "model")
    weights = {key: weight.clone() for key, weight in made.model.state_dict().items()}
    run = Run(recipe, tmp_path, tmp_path / "any")
    of_stage = {causal: PredictStage(start=start, causal=causal, optimisation=Optimisation(steps=1))
                for causal, start in ((True, "align"), (False, "left-to-right"))}  # fmt: skip
    left = of_stage[True].load_start(run)
    left.save(tmp_path / "left-to-right" / "model")
    both = of_stage[False].load_start(run)
    assert (both.config.kind, left.config.kind) == ("diffusion", "autoregressive")
    assert (is_causal(both.model), is_causal(left.model)) == (False, True)
    assert has_prefix_attention(both.model) == (name == "scenes-prefix")
    assert not has_prefix_attention(left.model)
    for checkpoint, sees_what_follows in ((both, True), (left, False)):
        for key, weight in checkpoint.model.state_dict().items():
            torch.testing.assert_close(weight, weights[key], atol=0, rtol=0)
        request = about([scene(0).image])
        canvas = torch.randint(20, 60, (1, checkpoint.config.canvas))
        other = canvas.clone()
        other[0, -1] += 1
        with torch.inference_mode():
            denoiser = prompted_denoiser(checkpoint, request)
            first, second = (denoiser(tokens, torch.arange(1))[0, 0] for tokens in (canvas, other))
        assert torch.equal(first, second) != sees_what_follows


def test_the_plan_of_8b_has_a_stage_of_tuning_and_cheaper_drafts() -> None:
    stages = {
        name: {s.stage: s for s in plan(Recipe.load(find_recipe(name)), processes=8, tflops=400)}
        for name in ("rediff-8b", "rediff-8b-prefix")
    }
    full, prefix = stages.values()
    assert list(prefix) == [
        "llada-v", "public", "tuning", "revision", "drafts", "expert", "refine",
    ]  # fmt: skip
    assert "tuning" not in full
    assert prefix["tuning"].hours is not None
    assert prefix["drafts"].tokens is not None
    assert full["drafts"].tokens is not None
    assert prefix["drafts"].tokens < full["drafts"].tokens / 5


BEFORE = """
canvas: 80
scenes: {train: 6000, captions: 8, seed: 0}
stages:
  vision:
    kind: vision
    optimisation: {steps: 200, batch_size: 128, lr: 0.02, other_lr: 0.005, freeze: []}
  ground:
    kind: predict
    start: vision
    data: [plain]
    canvas: 11
    facts_only: true
    levels: [0.2, 0.8]
    optimisation: {steps: 350, batch_size: 64, lr: 0.01, schedule: constant_with_warmup}
  align:
    kind: predict
    start: ground
    data: [sentences]
    canvas: 24
    facts_only: true
    levels: [0.2, 0.8]
    optimisation: {steps: 400, batch_size: 64, lr: 0.01, schedule: constant_with_warmup}
  left-to-right:
    kind: predict
    start: align
    causal: true
    optimisation: {steps: 4000, batch_size: 16, lr: 0.01}
export: {}
"""
"""A recipe from before some settings existed, which made the folders named below."""


def test_folders_of_before_are_still_done(tmp_path: Path) -> None:
    """A setting that is off is no part of a fingerprint that older folders have."""
    (tmp_path / "before.yaml").write_text(BEFORE)
    recipe = Recipe.load(tmp_path / "before.yaml")
    same, other = (
        recipe.model_copy(
            update={"model": recipe.model.model_copy(update={"prefix_attention": prefix})}
        )
        for prefix in (False, True)
    )
    first = "left-to-right"
    assert fingerprint(first, recipe) == fingerprint(first, same) == "bec65ba9a06e6b06"
    assert fingerprint(first, other) != fingerprint(first, recipe)
    drafts = Recipe.load(find_recipe("refine"))
    assert fingerprint("drafts", drafts) == "33d7327c22c6ae26", "as before there was `skip`"
