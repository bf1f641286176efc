"""Sentence vectors for CAPTURE's soft matching."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from rediff.models.weights import weights_hash

MAX_LENGTH = 384
BATCH = 64


class SentenceEncoder:
    """A sentence-transformers checkpoint run by transformers: mean over tokens, length 1.

    `folder`: the checkpoint, all-mpnet-base-v2 officially. Vectors are float32, so scores differ
    from those of another machine by up to 1e-4.
    """

    def __init__(self, folder: Path, *, device: str = "cpu") -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModel.from_pretrained(folder, use_safetensors=True)
        self.model = model.to(device).eval()
        self.name = f"{folder.name}@{weights_hash(folder)[:8]}"

    @torch.inference_mode()
    def encode(self, phrases: Sequence[str]) -> np.ndarray:
        """Unit vectors float64 [n, d]."""
        parts = [self._encode(phrases[i : i + BATCH]) for i in range(0, len(phrases), BATCH)]
        return np.concatenate(parts).astype(np.float64)

    def _encode(self, phrases: Sequence[str]) -> np.ndarray:
        encoded = self.tokenizer(
            list(phrases),
            padding=True,
            truncation=True,
            max_length=MAX_LENGTH,
            return_tensors="pt",
        ).to(self.model.device)
        states = self.model(**encoded).last_hidden_state
        weights = encoded["attention_mask"].unsqueeze(-1).to(states.dtype)
        mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
