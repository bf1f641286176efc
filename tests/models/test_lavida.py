"""LaViDa's checkpoints of both kinds, from decoding to training."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from asking import about
from official import picture
from programs import capture, inside, program
from tiny_lavida import (
    SIDE,
)
from transformers import AutoModelForImageTextToText, LlavaOnevisionForConditionalGeneration

from rediff.captioners.base import Caption, Decoding
from rediff.captioners.diffusion import DiffusionCaptioner, prompted_denoiser
from rediff.captioners.model_folder import load_captioner
from rediff.captioners.sources import Loading
from rediff.decoding.registry import SAMPLERS, find_sampler
from rediff.models.anyres import image_tokens, set_pool
from rediff.models.checkpoint import Checkpoint
from rediff.models.conditioning import image_features
from rediff.models.error_logit import set_error_logit
from rediff.models.shifted_logits import has_shifted_logits
from rediff.training.recipe import Recipe
from rediff.training.recipe_files import find_recipe

IMAGES = [picture(90, 40), picture(30, 30), picture(50, 200)]


def captions(checkpoint: Checkpoint, sampler: str, **options: Any) -> list[Caption]:
    decoding = Decoding(sampler=find_sampler(sampler), steps=16, **options)
    replies = DiffusionCaptioner(checkpoint).caption(about(IMAGES), decoding)
    return [reply for reply in replies if isinstance(reply, Caption)]


def test_a_converted_checkpoint_is_the_same_and_plain(lavida: Path, tmp_path: Path) -> None:
    inside("convert", str(lavida), str(tmp_path / "plain"))
    first, second = Checkpoint.load(lavida), Checkpoint.load(tmp_path / "plain")
    assert second.config == first.config
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name])
    assert second.prompt_ids() == first.prompt_ids()
    assert second.ids == first.ids
    plain = AutoModelForImageTextToText.from_pretrained(tmp_path / "plain")
    assert type(plain) is LlavaOnevisionForConditionalGeneration
    for sampler in (first.config.sampler, "refine"):
        texts = [[reply.text for reply in captions(one, sampler)] for one in (first, second)]
        assert texts[0] == texts[1]


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_a_batch_equals_its_rows_with_every_sampler(lavida: Path, name: str) -> None:
    """In float64: in float32, how a machine rounds decides between words of near-equal logits."""
    captioner = load_captioner(lavida)
    assert isinstance(captioner, DiffusionCaptioner)
    captioner.checkpoint.model.double()
    set_error_logit(captioner.checkpoint.model, True)
    decoding = Decoding(sampler=find_sampler(name), steps=16)
    if name == "wino" and has_shifted_logits(captioner.checkpoint.model):
        with pytest.raises(ValueError, match="no leave-one-out pass"):
            captioner.caption(about(IMAGES), decoding)
        return
    together = captioner.caption(about(IMAGES), decoding)
    for image, reply in zip(IMAGES, together, strict=True):
        (alone,) = captioner.caption(about([image]), decoding)
        assert isinstance(reply, Caption)
        assert isinstance(alone, Caption)
        assert (alone.text, alone.nfe) == (reply.text, reply.nfe)


@pytest.mark.parametrize("sampler", ["refine", "mask-predict", "rediff-official"])
def test_prompts_computed_once_or_in_each_step(lavida: Path, sampler: str) -> None:
    """In float64, as above."""
    checkpoint = Checkpoint.load(lavida)
    checkpoint.model.double()
    kept, renewed = captions(checkpoint, sampler), captions(checkpoint, f"{sampler},refresh=1")
    assert [reply.text for reply in kept] == [reply.text for reply in renewed]


def test_logits_behind_kept_prompts_are_those_of_one_pass(lavida: Path) -> None:
    """The tolerance is that of float32 with the vectors' weights, whose attention is sharp."""
    denoiser = prompted_denoiser(Checkpoint.load(lavida), about(IMAGES))
    tokens = torch.randint(10, 60, (3, 24), generator=torch.Generator().manual_seed(0))
    rows = torch.arange(3)
    with torch.inference_mode():
        kept, renewed = (denoiser.refreshed(every)(tokens, rows) for every in (None, 1))
    torch.testing.assert_close(kept, renewed, atol=1e-4, rtol=0)


def test_full_attention_by_the_samplers_option(lavida: Path) -> None:
    """Other logits, no pass of the prompts in advance, and what the prompts see is the response."""
    checkpoint = Checkpoint.load(lavida)
    name = checkpoint.config.sampler
    prefix, full = captions(checkpoint, name), captions(checkpoint, f"{name},prefix=no")
    assert [reply.nfe for reply in prefix] == [reply.nfe + 1 for reply in full]
    assert all(a.computed < b.computed for a, b in zip(prefix, full, strict=True))  # type: ignore[operator]
    denoiser = prompted_denoiser(checkpoint, about(IMAGES[:1]))
    tokens = torch.randint(10, 60, (1, 24), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        full_denoiser = denoiser.under_full_attention()
        one, other = (d(tokens, torch.tensor([0])) for d in (denoiser, full_denoiser))
    assert (one - other).abs().max() > 1e-3
    assert full_denoiser.under_full_attention() is full_denoiser


def test_options_of_the_samplers(lavida: Path) -> None:
    checkpoint = Checkpoint.load(lavida)
    name = checkpoint.config.sampler
    (half, *_) = captions(checkpoint, f"{name},step_ratio=0.5")
    assert half.nfe == 1 + 8
    assert captions(checkpoint, f"{name},shift=3") != captions(checkpoint, name)
    for stop in ("yes", "no"):
        for reply in captions(checkpoint, f"{name},stop={stop}", trace=True):
            assert reply.trace is not None
            final = reply.trace.tokens[-1].tolist()
            ends = final.index(checkpoint.ids.eos) if checkpoint.ids.eos in final else 128
            assert reply.tokens <= 128
            assert stop == "no" or reply.tokens == ends
    with pytest.raises(ValueError, match=r"shift must be from 0.001 to 1000, got -1"):
        find_sampler(f"{name},shift=-1")
    with pytest.raises(ValueError, match=r"step_ratio 0.01 leaves none of 16 steps"):
        captions(checkpoint, f"{name},step_ratio=0.01")
    with pytest.raises(ValueError, match=r"rank must be one of probability, margin, entropy"):
        find_sampler("lavida-dream-official,rank=luck")


def test_ids_that_name_no_token_are_never_written(lavida: Path) -> None:
    checkpoint = Checkpoint.load(lavida)
    with torch.no_grad():
        checkpoint.model.lm_head.weight[-5:] *= 100.0
    image = checkpoint.model.config.image_token_id
    for reply in captions(checkpoint, checkpoint.config.sampler, trace=True):
        assert reply.trace is not None
        written = {*reply.trace.tokens[-1].tolist()}
        assert not written & {image, *range(len(checkpoint.tokenizer), 200)}


@pytest.mark.parametrize(("mode", "side"), [("bilinear", 2), ("average", 1), ("max", 1)])
def test_pooling(lavida: Path, mode: str, side: int) -> None:
    """Three patches along a side become two by halves rounded up, and one rounded down."""
    checkpoint = Checkpoint.load(lavida)
    set_pool(checkpoint.model.config, mode)
    image = picture(SIDE, 2 * SIDE)
    with torch.inference_mode():
        (features,) = image_features(checkpoint.model, checkpoint.image_batch([image]))
    assert len(features) == side * side + 2 * side * (side + 1)
    assert len(features) == image_tokens(image.size, checkpoint.model.config)


def test_the_newline_has_the_precision_of_the_authors(lavida: Path) -> None:
    newline = Checkpoint.load(lavida).model.model.image_newline
    assert newline.dtype == torch.float32
    assert torch.equal(newline, newline.bfloat16().float())


def test_compiled_and_guided(lavida: Path) -> None:
    """Guidance takes two passes a step, of the prompts too."""
    captioner = load_captioner(lavida)
    name = Checkpoint.load(lavida).config.sampler
    decoding = Decoding(sampler=find_sampler(name), steps=4, guidance=0.5)
    assert [reply.nfe for reply in captioner.caption(about(IMAGES), decoding)] == [10] * 3  # type: ignore[union-attr]
    plain = load_captioner(lavida).caption(about(IMAGES), replace(decoding, guidance=0.0))
    compiled = load_captioner(lavida, Loading(compiled=True))
    again = compiled.caption(about(IMAGES), replace(decoding, guidance=0.0))
    assert [a.text for a in plain] == [b.text for b in again]  # type: ignore[union-attr]


def test_from_the_official_naming_to_a_trained_captioner(
    lavida: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw: dict[str, Any] = Recipe.load(find_recipe("refine")).model_dump(mode="json")
    raw["sections"]["scenes"] |= {"train": 12, "captions": 2}
    for stage in raw["stages"].values():
        if "optimisation" in stage:
            stage["optimisation"] |= {"steps": 3, "batch_size": 4}
        if "scenes" in stage:
            stage["scenes"] = 3
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    out = tmp_path / "trained"
    output = program(
        "train", "--recipe", tmp_path / "recipe.yaml", "--checkpoint", lavida, "--out", out,
        *[part for name in ("base", "revision", "drafts", "expert", "refine")
          for part in ("--stage", name)],
    )  # fmt: skip
    assert "Trained: base, revision, drafts, expert, refine" in output
    before = Checkpoint.load(lavida)
    after = Checkpoint.load(out / "refine" / "model")
    for name in ("prefix_attention", "shifted_logits"):
        texts = [getattr(c.model.config.text_config, name, False) for c in (before, after)]
        assert texts[0] == texts[1]
    assert after.config.sampler == before.config.sampler
    assert not torch.equal(before.model.lm_head.weight, after.model.lm_head.weight)
    assert len(capture(out / "refine" / "model", tmp_path / "run", "--steps", "8", limit=2)) == 2
    assert len(capture(lavida, tmp_path / "official", "--steps", "8", limit=2)) == 2
    capsys.readouterr()
    inside("caption", "scene:1", "--model", str(lavida), "--steps", "4", "--trace")
    assert "step 4/4" in capsys.readouterr().out


def test_training_predicts_as_decoding_does(lavida: Path) -> None:
    """Training's logits are decoding's, shifted or not, after prompts of several lengths."""
    from rediff.training.collator import CaptionerForTraining

    checkpoint = Checkpoint.load(lavida)
    denoiser = prompted_denoiser(checkpoint, about(IMAGES))
    tokens = torch.randint(10, 60, (3, 12), generator=torch.Generator().manual_seed(0))
    pictures = checkpoint.image_batch(IMAGES)
    prompt = checkpoint.prompt_ids()
    with torch.inference_mode():
        decoding = denoiser(tokens, torch.arange(3))
        training = CaptionerForTraining(checkpoint.model, causal=False)(
            pictures.tiles,
            pictures.counts,
            pictures.sizes,
            [[*prompt, *row] for row in tokens.tolist()],
            12,
        )
    torch.testing.assert_close(training, decoding, atol=1e-5, rtol=0)
