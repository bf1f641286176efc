"""Images, image features and logits are the official ones."""

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

TOLERANCE = 1e-4


def test_pictures_and_their_features(
    vectors: Path, model: LlavaOnevisionForConditionalGeneration
) -> None:
    facts = json.loads((vectors / "images.json").read_text())
    features = np.load(vectors / "image_features.npz")
    assert facts
    for name, fact in facts.items():
        size = tuple(map(int, name.split("x")))
        pictures = prepare_images([picture(*size)], image_processor(model.config))
        assert pictures.counts == (fact["tiles"],) == (tiles_of(size, model.config),)
        assert image_tokens(size, model.config) == fact["image_tokens"]
        assert pictures.tiles.mean().item() == pytest.approx(fact["pixel_mean"], abs=1e-6)
        assert pictures.tiles.std().item() == pytest.approx(fact["pixel_std"], abs=1e-4)
        for *place, value in fact["pixel_samples"]:
            assert pictures.tiles[tuple(place)].item() == pytest.approx(value, abs=1e-6)
        with torch.inference_mode():
            (ours,) = image_features(model, pictures)
        assert len(ours) == fact["image_tokens"]
        theirs = features[f"features_{name}"]
        np.testing.assert_allclose(
            ours[fact["feature_positions"]].numpy(), theirs, atol=TOLERANCE, rtol=0
        )
        assert ours.mean().item() == pytest.approx(fact["feature_mean"], abs=TOLERANCE)
        assert ours.abs().mean().item() == pytest.approx(fact["feature_absmean"], abs=TOLERANCE)


def test_logits(vectors: Path, model: LlavaOnevisionForConditionalGeneration) -> None:
    expected = np.load(vectors / "logits.npz")
    ids = torch.from_numpy(expected["input_ids"])
    with torch.inference_mode():
        embeddings = model.get_input_embeddings()(ids[:, :0])
        prefix = PromptEmbeddings(embeddings, torch.zeros(1, dtype=torch.long))
        ours = PromptedDenoiser(model, prefix, mask=0)(ids, torch.tensor([0]))[0].numpy()
    np.testing.assert_allclose(ours[:, :1000], expected["logits_first1000"], atol=TOLERANCE, rtol=0)
    assert (ours.argmax(axis=-1) == expected["argmax"]).all()
