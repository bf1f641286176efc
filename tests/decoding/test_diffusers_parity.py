"""Step for step equal to diffusers' `BlockRefinementScheduler`, where both apply."""

import pytest
import torch
from diffusers import BlockRefinementScheduler
from fakes import MASK, PAD, VOCABULARY, FakeDenoiser

from rediff.decoding.canvas import Canvas, SpecialIds
from rediff.decoding.rules import (
    Confident,
    Filled,
    Freeze,
    Linear,
    MostConfident,
    ReplaceAll,
    Revise,
)
from rediff.decoding.sampler import Sampler
from rediff.decoding.registry import decode

LENGTH = 16
NO_STOP = SpecialIds(mask=MASK, stop=VOCABULARY, banned=(PAD,))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("steps", [1, 3, 4, 7, 16])
@pytest.mark.parametrize(
    ("revise", "threshold", "editing"),
    [
        (Freeze(), None, None),
        (ReplaceAll(), None, 1e-9),
        (ReplaceAll(threshold=0.6), None, 0.6),
        (Freeze(), 0.4, None),
        (ReplaceAll(threshold=0.5), 0.4, 0.5),
    ],
)
def test_every_step_is_equal(
    seed: int, steps: int, revise: Revise, threshold: float | None, editing: float | None
) -> None:
    commit = MostConfident() if threshold is None else Confident(threshold=threshold)
    sampler = Sampler(
        name="x",
        schedule=Linear(),
        commit=commit,
        revise=revise,
        stop=Filled(),
        majority_stop=False,
    )
    denoiser = FakeDenoiser(seed, 1, LENGTH)
    ours = decode(denoiser, Canvas.blank(1, LENGTH, NO_STOP), sampler, steps, trace=True).traces[0]

    theirs = BlockRefinementScheduler()
    theirs.set_timesteps(steps, block_length=LENGTH)
    tokens = torch.full((1, LENGTH), MASK)
    for step in range(len(ours.tokens)):
        logits = denoiser(tokens, torch.tensor([0]))
        logits[..., [MASK, PAD]] = -torch.inf
        tokens = theirs.step(
            logits, step, tokens, mask_token_id=MASK, editing_threshold=editing,
            threshold=1.0 if threshold is None else threshold,
        ).prev_sample  # fmt: skip
        assert torch.equal(tokens[0], ours.tokens[step])
    assert not (tokens == MASK).any()
    assert len(ours.tokens) > 0
