"""A picture and its prompt are encoded once for all conditions of a checkpoint."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from programs import inside

from rediff.captioners.base import Caption, CaptionRequest, Decoding
from rediff.captioners.diffusion import DiffusionCaptioner
from rediff.decoding.registry import find_sampler
from rediff.models.checkpoint import Checkpoint
from rediff.models.prefix_attention import set_prefix_attention
from rediff.scenes.example import scene


@pytest.fixture
def passes() -> Iterator[list[tuple[str, int]]]:
    """The kind and the length of what each vision tower and text model is given, in order."""
    seen: list[tuple[str, int]] = []
    models = {"SiglipVisionModel": "tower", "LlamaModel": "text"}

    def note(
        module: torch.nn.Module, args: object, kwargs: dict[str, torch.Tensor], output: object
    ) -> None:
        if (kind := models.get(type(module).__name__)) is not None:
            shown = kwargs.get("inputs_embeds")
            seen.append((kind, 0 if shown is None else shown.size(1)))

    hook = torch.nn.modules.module.register_module_forward_hook(note, with_kwargs=True)
    yield seen
    hook.remove()


def decodings() -> list[Decoding]:
    return [
        Decoding(sampler=find_sampler(sampler), steps=steps)
        for sampler in ("refine", "mask-predict")
        for steps in (4, 8)
    ]


def requests() -> list[CaptionRequest]:
    return [CaptionRequest(image=scene(number).image) for number in range(3)]


def towers(passes: list[tuple[str, int]]) -> int:
    return sum(kind == "tower" for kind, _ in passes)


def test_the_very_same_requests_are_encoded_once(
    untrained: Path, passes: list[tuple[str, int]]
) -> None:
    captioner = DiffusionCaptioner(Checkpoint.load(untrained / "diffusion"))
    asked = requests()
    together = [captioner.caption(asked, decoding) for decoding in decodings()]
    assert towers(passes) == 1
    captioner.caption(asked, Decoding(steps=4, guidance=0.5))
    assert towers(passes) == 2
    captioner.caption(requests(), Decoding(steps=4))
    captioner.caption(asked[:2], Decoding(steps=4))
    assert towers(passes) == 4
    apart = [
        DiffusionCaptioner(captioner.checkpoint).caption(asked, decoding)
        for decoding in decodings()
    ]
    for one, other in zip(together, apart, strict=True):
        assert [c.text for c in one if isinstance(c, Caption)] == [
            c.text for c in other if isinstance(c, Caption)
        ]


def test_work_is_of_one_decoding(untrained: Path) -> None:
    captioner, asked = DiffusionCaptioner(Checkpoint.load(untrained / "diffusion")), requests()
    decoding = decodings()[0]
    first = captioner.caption(asked, decoding)
    captioner.decode(asked, decoding)
    again = captioner.caption(asked, decoding)
    for one, other in zip(first, again, strict=True):
        assert isinstance(one, Caption)
        assert isinstance(other, Caption)
        assert (one.flops, one.computed) == (other.flops, other.computed)


def test_prompts_are_prefilled_once_under_prefix_attention(
    untrained: Path, passes: list[tuple[str, int]]
) -> None:
    checkpoint = Checkpoint.load(untrained / "diffusion")
    set_prefix_attention(checkpoint.model.config.get_text_config())
    captioner, asked = DiffusionCaptioner(checkpoint), requests()
    for decoding in decodings():
        captioner.caption(asked, decoding)
    lengths = [length for kind, length in passes if kind == "text"]
    canvas = checkpoint.config.canvas
    assert sum(length != canvas for length in lengths) == 1
    assert lengths[0] == len(checkpoint.prompt_ids()) - 1 + 10
    assert len(lengths) > 8


def test_a_run_encodes_each_batch_once(
    untrained: Path, tmp_path: Path, passes: list[tuple[str, int]]
) -> None:
    """The first is of one sample. And a resumed run encodes what is left."""
    arguments = (
        "run", "--task", "capture", "--model", untrained / "diffusion", "--batch-size", "2",
        "--out", tmp_path / "run", "--steps", "4", "--sampler", "refine",
        "--sampler", "mask-predict,refresh=2",
    )  # fmt: skip
    inside(*arguments, "--limit", "5")
    assert towers(passes) == 3
    inside(*arguments, "--limit", "8")
    assert towers(passes) == 5
    lines = (tmp_path / "run" / "captions.jsonl").read_text().splitlines()
    assert len(lines) == 8 * 2
    assert all(json.loads(line)["seconds"] > 0 for line in lines)
