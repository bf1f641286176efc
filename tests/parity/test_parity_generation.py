"""Every recorded decode case, token for token, alone and among others."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from official import picture
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.decoding.canvas import Canvas, SpecialIds
from rediff.decoding.sampler import OfficialSampler
from rediff.models.anyres import prepare_images
from rediff.models.conditioning import embed_prompt, image_features
from rediff.models.denoiser import PromptedDenoiser
from rediff.models.official_format import image_processor

IMAGE = -200
MASK, STOP = 126336, 126348
IDS = SpecialIds(mask=MASK, eos=STOP, official_banned=(126081, 126080, 126346, 126347))

Case = dict[str, Any]
Model = LlavaOnevisionForConditionalGeneration


def test_the_response(case: Case, model: Model) -> None:
    assert run(model, [case])[0] == case["output_ids"]


def test_a_batch_of_pictures_of_several_sizes(vectors: Path, model: Model) -> None:
    """Cases that differ in nothing but prompt and picture, padded to one length."""
    cases = json.loads((vectors / "generation.json").read_text())
    pictured = [case for case in cases if "image_sizes" in case]
    assert pictured
    for case in pictured:
        others = {"prompt_ids": shortened(case["prompt_ids"])}, {"image_sizes": [[100, 200]]}
        batch = [case, *({**case, **other} for other in others)]
        together = run(model, batch)
        assert together[0] == case["output_ids"]
        assert together[1:] == [run(model, [other])[0] for other in batch[1:]]


def shortened(prompt_ids: list[int]) -> list[int]:
    """The prompt without its first three words; its picture stays."""
    words = [place for place, token in enumerate(prompt_ids) if token != IMAGE]
    shorter = [token for place, token in enumerate(prompt_ids) if place not in words[:3]]
    assert len(shorter) == len(prompt_ids) - 3
    assert shorter.count(IMAGE) == prompt_ids.count(IMAGE) == 1
    return shorter


@torch.inference_mode()
def run(model: Model, cases: list[Case]) -> list[list[int]]:
    """The responses of cases that share their options."""
    options = cases[0]
    sampler = OfficialSampler(
        name="case",
        revise=options["revise"],
        revise_topk=options.get("revise_topk") or 0.0,
        revise_start=options.get("revise_start", 1.0),
        block_length=options["block_length"],
        stop=options["stop"],
    )
    with scaled_stop(model, options["eot_scale"]):
        canvas = Canvas.blank(len(cases), options["gen_length"], IDS)
        for row, case in enumerate(cases):
            if case.get("fake_ans"):
                canvas = canvas.prefill(row, case["fake_ans"][0])
        images = [picture(*size) for case in cases for size in case.get("image_sizes", [])]
        pictures = prepare_images(images, image_processor(model.config)) if images else None
        features = image_features(model, pictures) if pictures else []
        image = model.config.image_token_id
        prompts = [[image if i == IMAGE else i for i in case["prompt_ids"]] for case in cases]
        denoiser = PromptedDenoiser(
            model,
            embed_prompt(model, prompts, features),
            mask=MASK,
            guidance=options.get("cfg_scale", 0.0),
        )
        return sampler.decode(denoiser, canvas, options["steps"]).responses


@contextmanager
def scaled_stop(model: Model, scale: float | None) -> Iterator[None]:
    """The stop token's row of the head multiplied by `scale` for a while."""
    row = model.lm_head.weight.data[STOP]
    before = row.clone()
    row.mul_(scale or 1.0)
    yield
    row.copy_(before)
