"""Checkpoints survive saving, see both ways where they should, and refuse what they should."""

import os
import stat
from pathlib import Path

import pytest
import torch
from asking import about
from datasets import Dataset
from transformers import PreTrainedTokenizerFast

from rediff.captioners.base import Decoding
from rediff.captioners.diffusion import prompted_denoiser
from rediff.captioners.model_folder import load_captioner
from rediff.data.dialogue import CAPTION_PROMPT
from rediff.models.chat_format import SPECIAL_TOKENS
from rediff.models.checkpoint import Checkpoint
from rediff.models.denoiser import Anew
from rediff.models.flops import Meter
from rediff.models.prompt_cache import embed
from rediff.scenes.dataset import load_scenes


@pytest.fixture(scope="module")
def scenes() -> Dataset:
    return load_scenes("validation", 3)


def load(untrained: Path, kind: str = "diffusion") -> Checkpoint:
    return Checkpoint.load(untrained / kind)


def test_saving_and_loading_changes_nothing(untrained: Path, tmp_path: Path) -> None:
    first = load(untrained)
    first.save(tmp_path)
    second = Checkpoint.load(tmp_path)
    assert second.config == first.config
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name])
    assert second.tokenizer.get_vocab() == first.tokenizer.get_vocab()
    assert list(tmp_path.glob("*.safetensors"))
    assert not list(tmp_path.glob("*.bin"))


def test_who_may_read_a_checkpoint_s_files_may_read_its_weights(
    untrained: Path, tmp_path: Path
) -> None:
    """On a machine that a group shares."""
    before = os.umask(0o022)
    try:
        Checkpoint.load(untrained / "diffusion").save(tmp_path)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o644}


def test_half_precision_on_disk_is_float32_in_memory(untrained: Path, tmp_path: Path) -> None:
    first = load(untrained)
    first.save(tmp_path, dtype=torch.float16)
    second = Checkpoint.load(tmp_path)
    for name, tensor in first.model.state_dict().items():
        assert second.model.state_dict()[name].dtype == torch.float32
        assert torch.equal(tensor.half().float(), second.model.state_dict()[name])


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"is not a checkpoint folder: it has no captioner"):
        Checkpoint.load(tmp_path)


def test_pickled_weights_are_refused(untrained: Path, tmp_path: Path) -> None:
    checkpoint = load(untrained)
    checkpoint.save(tmp_path)
    weights = next(tmp_path.glob("*.safetensors"))
    torch.save(checkpoint.model.state_dict(), tmp_path / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(OSError, match="safetensors"):
        Checkpoint.load(tmp_path)


def expand_image(checkpoint: Checkpoint) -> list[int]:
    """The prompt as transformers takes it, an image token for each patch and newline."""
    image, count = checkpoint.model.config.image_token_id, checkpoint.config.image_tokens
    assert count is not None
    return [
        i for token in checkpoint.prompt_ids() for i in [token] * (count if token == image else 1)
    ]


@pytest.mark.parametrize(("kind", "looks_ahead"), [("diffusion", True), ("autoregressive", False)])
def test_who_sees_what(untrained: Path, scenes: Dataset, kind: str, looks_ahead: bool) -> None:
    checkpoint = load(untrained, kind)
    denoiser = prompted_denoiser(checkpoint, about(scenes["image"][:1]))
    first = torch.full((1, 16), 20)
    second = first.clone()
    second[0, -1] = 30
    rows = torch.tensor([0])
    with torch.inference_mode():
        change = (denoiser(first, rows) - denoiser(second, rows)).abs().amax(dim=-1)[0]
    assert bool((change[:-1] > 1e-5).all()) is looks_ahead


def test_the_denoiser_is_the_model_on_ids_and_pixels(untrained: Path, scenes: Dataset) -> None:
    checkpoint = load(untrained)
    pixels = checkpoint.image_batch(scenes["image"][:]).tiles
    prompt = expand_image(checkpoint)
    tokens = torch.randint(10, 60, (3, 16))
    with torch.inference_mode():
        ours = prompted_denoiser(checkpoint, about(scenes["image"][:]))(tokens, torch.arange(3))
        ids = torch.cat([torch.tensor(prompt).expand(3, -1), tokens], dim=1)
        sizes = torch.tensor([[24, 24]] * 3)
        whole = checkpoint.model(input_ids=ids, pixel_values=pixels, image_sizes=sizes).logits
    torch.testing.assert_close(ours, whole[:, -16:], atol=1e-5, rtol=1e-5)


def test_guidance_pushes_away_from_the_blank_prompt(untrained: Path, scenes: Dataset) -> None:
    checkpoint = load(untrained)
    images = scenes["image"][:1]
    tokens, rows = torch.randint(10, 60, (1, 16)), torch.tensor([0])
    with torch.inference_mode():
        plain = prompted_denoiser(checkpoint, about(images))
        guided = prompted_denoiser(checkpoint, about(images), guidance=1.5)
        blank = plain.prompts[0].filled_with(
            embed(checkpoint.model, torch.tensor(checkpoint.ids.mask))
        )
        free = Anew(checkpoint.model, blank)(tokens, rows, Meter(1))
        expected = free + 2.5 * (plain(tokens, rows) - free)
        torch.testing.assert_close(guided(tokens, rows), expected)
    assert (plain.passes, guided.passes) == (1, 2)


def test_the_prompt_has_the_chat_format(untrained: Path) -> None:
    checkpoint = load(untrained)
    tokens = checkpoint.tokenizer.convert_ids_to_tokens(checkpoint.prompt_ids())
    assert tokens[:4] == ["<|startoftext|>", "<|start_header_id|>", "user", "<|end_header_id|>"]
    assert tokens.count("<image>") == 1
    assert tokens[-4:] == ["<|eot_id|>", "<|start_header_id|>", "assistant", "<|end_header_id|>"]
    assert "<|unknown|>" not in tokens


def test_every_special_token_but_the_stop_is_banned(untrained: Path) -> None:
    checkpoint = load(untrained)
    banned = set(checkpoint.tokenizer.convert_ids_to_tokens(checkpoint.ids.banned))
    assert banned == set(SPECIAL_TOKENS) - {"<|eot_id|>"}


def test_a_caption_does_not_list_the_vocabulary(
    untrained: Path, scenes: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listing 126,000 words takes longer than a step at 8B; the ids are known after one caption."""
    captioner = load_captioner(untrained / "diffusion")
    asked, decoding = about(scenes["image"][:1], [(CAPTION_PROMPT,)]), Decoding(steps=2)
    first = captioner.caption(asked, decoding)
    listed: list[object] = []
    monkeypatch.setattr(PreTrainedTokenizerFast, "get_vocab", listed.append)
    assert captioner.caption(asked, decoding)[0].text == first[0].text
    assert listed == []


@pytest.mark.parametrize("kind", ["diffusion", "autoregressive"])
def test_what_is_said_about_one_picture_does_not_change_another_reply(
    untrained: Path, scenes: Dataset, kind: str
) -> None:
    captioner = load_captioner(untrained / kind)
    images, decoding = scenes["image"][:], Decoding(steps=4)
    said = [("where is the circle .",), ("the star .", "a red star .", "the image ."), ("red",)]
    together = captioner.caption(about(images, said), decoding)
    alone = [
        captioner.caption(about([image], [own]), decoding)[0]
        for image, own in zip(images, said, strict=True)
    ]
    assert [reply.text for reply in together] == [reply.text for reply in alone]
    own = [(CAPTION_PROMPT,)] * len(images)
    assert [r.text for r in captioner.caption(about(images), decoding)] == [
        r.text for r in captioner.caption(about(images, own), decoding)
    ]
