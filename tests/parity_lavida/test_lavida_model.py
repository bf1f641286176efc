"""LaViDa's images, image features and logits are the official ones."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from official import picture
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.models.anyres import image_tokens, prepare_images, tiles_of
from rediff.models.conditioning import PromptEmbeddings, image_features
from rediff.models.denoiser import PromptedDenoiser
from rediff.models.official_format import image_processor

PIXELS, FEATURES, LOGITS = 1e-6, 1e-5, 1e-5
UNCACHED = 1e-4
"""Of prompt and response in one pass under a mask, which the authors' code has not."""


def test_pictures_and_their_features(
    vectors: Path, model: LlavaOnevisionForConditionalGeneration
) -> None:
    facts = json.loads((vectors / "images.json").read_text())
    features = np.load(vectors / "image_features.npz")
    assert facts
    for fact in facts:
        size = fact["width"], fact["height"]
        name = "{}x{}".format(*size)
        pictures = prepare_images([picture(*size)], image_processor(model.config))
        assert pictures.counts == (fact["tiles"],) == (tiles_of(size, model.config),)
        assert image_tokens(size, model.config) == fact["tokens"]
        assert pictures.tiles.mean().item() == pytest.approx(fact["mean"], abs=PIXELS)
        assert pictures.tiles.std().item() == pytest.approx(fact["std"], abs=1e-5)
        assert fact["pixels"]
        for *place, value in fact["pixels"]:
            assert pictures.tiles[tuple(map(int, place))].item() == pytest.approx(value, abs=PIXELS)
        with torch.inference_mode():
            (ours,) = image_features(model, pictures)
            hidden = model.model.vision_tower(pictures.tiles, output_hidden_states=True)
        assert len(ours) == fact["tokens"]
        for found, key in (
            (ours[fact["feature_positions"]], f"features_{name}"),
            (ours[:196:13], f"pooled_{name}"),
            (hidden.hidden_states[-1][-1][::91], f"tower_{name}"),
        ):
            np.testing.assert_allclose(found.numpy(), features[key], atol=FEATURES, rtol=0)


@torch.inference_mode()
def test_logits(vectors: Path, model: LlavaOnevisionForConditionalGeneration) -> None:
    expected = np.load(vectors / "logits.npz")
    ids, prefix = torch.from_numpy(expected["input_ids"]), int(expected["prefix"])
    nothing = PromptEmbeddings(model.get_input_embeddings()(ids[:, :0]), torch.tensor([0]))
    everything = PromptedDenoiser(model, nothing, mask=0, full=True)(ids, torch.tensor([0]))[0]
    check(everything, expected["logits_first1000"])
    assert (everything.argmax(dim=-1).numpy() == expected["argmax"]).all()

    alone = PromptedDenoiser(model, nothing, mask=0, full=True)(ids[:, :prefix], torch.tensor([0]))
    check(alone[0], expected["prefix_logits_first1000"])
    prompt = PromptEmbeddings(model.get_input_embeddings()(ids[:, :prefix]), torch.tensor([prefix]))
    cached = PromptedDenoiser(model, prompt, mask=0)
    assert cached.prefix
    after = cached(ids[:, prefix:], torch.tensor([0]))[0]
    check(after, expected["cached_logits_first1000"])
    assert (after.argmax(dim=-1).numpy() == expected["cached_argmax"]).all()
    renewed = cached.refreshed(1)(ids[:, prefix:], torch.tensor([0]))[0]
    check(renewed, expected["cached_logits_first1000"], atol=UNCACHED)


def check(ours: torch.Tensor, theirs: np.ndarray, *, atol: float = LOGITS) -> None:
    np.testing.assert_allclose(ours[:, :1000].numpy(), theirs, atol=atol, rtol=0)
