"""Every recorded decode case of LaViDa, token for token and step for step."""

import json
from pathlib import Path
from typing import Any

import torch
from official import picture
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.decoding.canvas import Canvas, SpecialIds
from rediff.decoding.loop import Decoded
from rediff.decoding.sampler import LavidaDreamSampler, LavidaSampler, Sampler
from rediff.models.anyres import prepare_images
from rediff.models.conditioning import embed_prompt, image_features
from rediff.models.denoiser import PromptedDenoiser
from rediff.models.official_format import image_processor

IMAGE = -200
IDS = SpecialIds(mask=126336, eos=126348)
DREAM_IDS = SpecialIds(mask=151666, eos=151645)
RANKS = {"topk_margin": "margin", "entropy": "entropy", "maskgit_plus": "probability"}
AUTHORS = 3.0
"""The shift that the authors' code takes where it is told none."""

Case = dict[str, Any]
Model = LlavaOnevisionForConditionalGeneration


def shift_of(options: Case) -> float:
    if options.get("schedule") is None:
        return 0.0
    return float(options.get("schedule_kwargs", {}).get("shift", AUTHORS))


def test_the_llada_variant(llada_case: Case, model: Model) -> None:
    case, length = llada_case, llada_case["max_new_tokens"]
    blocks = length // case["block_length"]
    steps = blocks * case["step_per_block"] if "step_per_block" in case else length
    sampler = LavidaSampler(
        name="case",
        shift=shift_of(case),
        step_ratio=case.get("step_ratio", 1.0),
        prefix=case["prefix_lm"],
        block_length=case["block_length"],
    )
    decoded = decode(model, [case], sampler, steps, length)
    assert decoded.canvas.tokens[0].tolist() == case["output_ids"]
    unmasked = decoded.traces[0].unmasked
    assert unmasked.int().argmax(dim=0).tolist() == case["step_of_token"]
    assert len(unmasked) == decoded.nfe[0] == case["steps_run"]


def test_a_batch_equals_its_rows(llada_case: Case, model: Model) -> None:
    """The case beside one with another picture and a shorter prompt."""
    case = llada_case
    other = {**case, "prompt_ids": [*case["prompt_ids"][:2], *case["prompt_ids"][9:]]}
    if case["size"] is not None:
        other["size"] = [100, 200]
    sampler = LavidaSampler(name="case", prefix=case["prefix_lm"])
    length = case["block_length"]
    together = decode(model, [case, other], sampler, length // 4, length).canvas.tokens
    for row, one in enumerate((case, other)):
        alone = decode(model, [one], sampler, length // 4, length)
        assert together[row].tolist() == alone.canvas.tokens[0].tolist()


def test_the_dream_variant(dream_case: Case, vectors: Path, dream: Model) -> None:
    ids = json.loads((vectors / "dream.json").read_text())["ids"]
    options, length = dream_case["args"], dream_case["args"]["max_new_tokens"]
    sampler = LavidaDreamSampler(
        name="case",
        shift=shift_of(options),
        step_ratio=options.get("step_ratio", 1.0),
        prefix=options["prefix_lm"],
        rank=RANKS[options["alg"]],
    )
    case = {"prompt_ids": ids, "size": None}
    decoded = decode(dream, [case, case], sampler, options.get("steps", length), length, DREAM_IDS)
    padded = 0 if options["prefix_lm"] else len(ids)
    assert decoded.canvas.tokens[0].tolist() == dream_case["out"][padded:]
    assert decoded.canvas.tokens[1].tolist() == dream_case["out"][padded:]


@torch.inference_mode()
def decode(
    model: Model,
    cases: list[Case],
    sampler: Sampler,
    steps: int,
    length: int,
    ids: SpecialIds = IDS,
) -> Decoded:
    images = [picture(*case["size"]) for case in cases if case["size"] is not None]
    pictures = prepare_images(images, image_processor(model.config)) if images else None
    features = image_features(model, pictures) if pictures else []
    image = model.config.image_token_id
    prompts = [[image if i == IMAGE else i for i in case["prompt_ids"]] for case in cases]
    denoiser = PromptedDenoiser(model, embed_prompt(model, prompts, features), mask=ids.mask)
    canvas = Canvas.blank(len(cases), length, ids)
    return sampler.decode(denoiser, canvas, steps, trace=True)
