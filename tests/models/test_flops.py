"""Operations by the config against what torch's own counter sees."""

from pathlib import Path

import pytest
from asking import about
from PIL import Image
from tiny_models import make_official
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from rediff.captioners.autoregressive import AutoregressiveCaptioner
from rediff.captioners.base import Caption, Decoding
from rediff.captioners.diffusion import DiffusionCaptioner
from rediff.decoding.registry import find_sampler
from rediff.models.checkpoint import Checkpoint
from rediff.models.flops import Work
from rediff.models.prefix_attention import set_prefix_attention
from rediff.scenes.example import scene

ROTATION = 0.01
"""Share of rotary embedding, which the counter takes for a matrix product, in so small a model."""


def counted(
    checkpoint: Checkpoint, image: Image.Image, sampler: str, *, guidance: float = 0.0
) -> tuple[float, float]:
    """Operations of one caption as it reports them, and as torch counts them."""
    kind = AutoregressiveCaptioner if sampler == "greedy" else DiffusionCaptioner
    found = None if sampler == "greedy" else find_sampler(sampler)
    decoding = Decoding(sampler=found, steps=8, guidance=guidance)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        (caption,) = kind(checkpoint).caption(about([image]), decoding)
    assert isinstance(caption, Caption)
    assert caption.flops is not None
    return caption.flops, counter.get_total_flops()


@pytest.mark.parametrize("sampler", ["refine", "refine,refresh=3", "rediff-official", "greedy"])
@pytest.mark.parametrize("prefix", [False, True])
def test_operations_are_what_torch_counts(untrained: Path, sampler: str, prefix: bool) -> None:
    kind = "autoregressive" if sampler == "greedy" else "diffusion"
    checkpoint = Checkpoint.load(untrained / kind)
    if prefix and kind == "diffusion":
        set_prefix_attention(checkpoint.model.config.get_text_config())
    ours, theirs = counted(checkpoint, scene(0).image, sampler)
    assert ours == pytest.approx(theirs, rel=ROTATION)


def test_guidance_counts_twice(untrained: Path) -> None:
    checkpoint = Checkpoint.load(untrained / "diffusion")
    ours, theirs = counted(checkpoint, scene(0).image, "mask-predict", guidance=0.5)
    assert ours == pytest.approx(theirs, rel=ROTATION)


def test_tiles_and_a_large_vocabulary_count(tmp_path: Path) -> None:
    checkpoint = Checkpoint.load(make_official(tmp_path / "official"))
    short = checkpoint.with_config(canvas=16)
    ours, theirs = counted(short, Image.new("RGB", (90, 40), "red"), "rediff-official")
    assert ours == pytest.approx(theirs, rel=ROTATION)


def test_prefix_attention_computes_the_response_alone(untrained: Path) -> None:
    checkpoint = Checkpoint.load(untrained / "diffusion")
    requests = about([scene(0).image])
    decoding = Decoding(sampler=find_sampler("mask-predict"), steps=16)
    (full,) = DiffusionCaptioner(checkpoint).caption(requests, decoding)
    set_prefix_attention(checkpoint.model.config.get_text_config())
    (kept,) = DiffusionCaptioner(checkpoint).caption(requests, decoding)
    assert isinstance(full, Caption)
    assert isinstance(kept, Caption)
    prompt = len(checkpoint.prompt_ids()) - 1 + 10
    assert full.nfe is not None
    assert kept.nfe is not None
    assert full.computed == full.nfe * (prompt + 16)
    assert kept.computed == prompt + (kept.nfe - 1) * 16


def test_work_adds_up() -> None:
    assert Work.of_pass(3, 5, 2) + Work(1, 1, 1) == Work(4, 16, 3)
