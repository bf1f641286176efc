"""A random prediction with a past, for the tests of rules."""

from dataclasses import replace

import torch
from hypothesis import strategies as st
from torch import Tensor

from rediff.decoding.canvas import Past, Prediction, SpecialIds, predict
from rediff.decoding.noise import Noise

ROWS, LENGTH, VOCABULARY, STEPS = 2, 10, 6, 4
NOISE = Noise(1, [4, 9], (0, 2), [0, 1])
WROTE = torch.zeros(ROWS, LENGTH, dtype=torch.bool)
WROTE[0, :5] = WROTE[1, 1] = True
LEFT = torch.tensor([3, 0])
seeds = st.integers(0, 10_000)


def drawn_prediction(seed: int) -> tuple[Prediction, Tensor]:
    """A prediction with a past, and the positions that may be masked again."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(ROWS, LENGTH, VOCABULARY, generator=generator)
    seen = torch.randint(1, VOCABULARY, (ROWS, LENGTH), generator=generator)
    eligible = torch.rand(ROWS, LENGTH, generator=generator) < 0.7
    past = Past(
        torch.rand(ROWS, LENGTH, generator=generator) * eligible,
        torch.randint(0, 3, (ROWS, LENGTH), generator=generator),
        token=torch.randint(1, VOCABULARY, (STEPS, ROWS, LENGTH), generator=generator),
        confidence=torch.rand(STEPS, ROWS, LENGTH, generator=generator),
        visible_probability=torch.rand(STEPS, ROWS, LENGTH, generator=generator)
        * (torch.rand(STEPS, ROWS, LENGTH, generator=generator) < 0.8),
    )
    prediction = predict(logits, SpecialIds(mask=0, eos=1), seen=seen, noise=NOISE)
    prediction = replace(
        prediction,
        past=past,
        support=torch.where(
            torch.rand(ROWS, LENGTH, generator=generator) < 0.5,
            torch.rand(ROWS, LENGTH, generator=generator),
            torch.nan,
        ),
    )
    return prediction, eligible


def visible_probability(prediction: Prediction, row: int, i: int) -> float:
    assert prediction.seen is not None
    return prediction.log_probabilities()[row, i, prediction.seen[row, i]].exp().item()
