"""Step for step equal to diffusers' `BlockRefinementScheduler`, where both apply."""

import pytest
import torch
from diffusers import BlockRefinementScheduler
from fakes import MASK, PAD, VOCABULARY, FakeDenoiser, decode

from rediff.decoding.canvas import Canvas, SpecialIds
from rediff.decoding.revise import KeepVisible, RepredictVisible, Revise
from rediff.decoding.sampler import RuleSampler
from rediff.decoding.schedules import LinearSchedule
from rediff.decoding.stop import Filled
from rediff.decoding.unmask import MostConfident

LENGTH = 16
NO_STOP = SpecialIds(mask=MASK, eos=VOCABULARY, banned=(PAD,))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("steps", [1, 3, 4, 7, 16])
@pytest.mark.parametrize(
    ("revise", "threshold", "editing"),
    [
        (KeepVisible(), None, None),
        (RepredictVisible(), None, 1e-9),
        (RepredictVisible(threshold=0.6), None, 0.6),
        (KeepVisible(), 0.4, None),
        (RepredictVisible(threshold=0.5), 0.4, 0.5),
    ],
)
def test_every_step_is_equal(
    seed: int, steps: int, revise: Revise, threshold: float | None, editing: float | None
) -> None:
    unmask = (
        MostConfident() if threshold is None else MostConfident(eos_last=False, threshold=threshold)
    )
    sampler = RuleSampler(
        name="x",
        schedule=LinearSchedule(),
        unmask=unmask,
        revise=revise,
        stop=Filled(),
        majority_eos=False,
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
