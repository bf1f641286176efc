"""Training losses on the recorded draws are the official ones."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.training.losses import loss_parts, total_loss
from rediff.training.official import Draws, corrupt_officially

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
    parts = loss_parts(
        logits,
        case["labels"].clamp(min=0),
        corrupted.kind,
        corrupted.level,
        weighting="llada" if name == "plain" else "official",
    )
    assert total_loss(parts, {}).item() == pytest.approx(case["loss"].item(), rel=1e-4)
