"""Training losses on the recorded draws are the official ones."""

from pathlib import Path

import numpy as np
import pytest
import torch
from official_corruption import Draws, corrupt_officially
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.training.losses import Weighting, loss_counts, loss_parts, loss_sums

MASK = 126336
IGNORED = -100
NAMES = ("plain", "stage1_syntax", "refine", "mixed")


@pytest.mark.parametrize("name", NAMES)
def test_loss(vectors: Path, model: LlavaOnevisionForConditionalGeneration, name: str) -> None:
    raw = np.load(vectors / f"loss_{name}.npz")
    case = {key: torch.from_numpy(np.asarray(raw[key])) for key in raw}
    supervised = case["labels"] != IGNORED
    draws = Draws(case["rand0"], case["rand1"], case.get("rand2"), case.get("randint0"))
    corrupted = corrupt_officially(
        case["input_ids"], supervised, case.get("revise_indices"), draws, mask_id=MASK
    )
    with torch.inference_mode():
        logits = model(input_ids=corrupted.tokens).logits
    weighting: Weighting = "llada" if name == "plain" else "official"
    sums = loss_sums(
        logits, case["labels"].clamp(min=0), corrupted.role, corrupted.level, weighting=weighting
    )
    parts = loss_parts(sums, loss_counts(corrupted.role, weighting=weighting))
    assert parts.sum().item() == pytest.approx(case["loss"].item(), rel=1e-4)
