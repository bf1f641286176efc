"""LaViDa's configs, tokenizers and towers: what is read, and what is refused."""

import re
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from official import picture
from safetensors.torch import load_file, save_file
from tiny_lavida import (
    DREAM_TOKENS,
    LLADA_TOKENS,
    change,
    make_dream,
    make_lavida,
    save_tokenizer,
)
from transformers import SiglipVisionConfig, SiglipVisionModel

from rediff.captioners.model_folder import load_captioner
from rediff.models.chat_format import chat_text
from rediff.models.checkpoint import Checkpoint
from rediff.models.lavida import PROMPT
from rediff.models.llada_v import SYSTEM
from rediff.models.official import find_official, official_format

IMAGES = [picture(90, 40), picture(30, 30), picture(50, 200)]


def test_the_prompt_is_the_official_one(tmp_path: Path) -> None:
    checkpoint = Checkpoint.load(make_lavida(tmp_path / "lavida"))
    assert chat_text(checkpoint.tokenizer, (PROMPT,), SYSTEM) == (
        f"<|startoftext|><|start_header_id|>system<|end_header_id|>\n\n{SYSTEM}<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n<image>\nDescribe the image in detail."
        "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    dream = Checkpoint.load(make_dream(tmp_path / "dream"))
    assert chat_text(dream.tokenizer, (PROMPT,), SYSTEM) == (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n"
        "<|im_start|>user\n<image>\nDescribe the image in detail.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert dream.prompt_ids().count(dream.model.config.image_token_id) == 1


def test_both_are_told_from_llada_v(tmp_path: Path) -> None:
    folders = {
        "LaViDa": make_lavida(tmp_path / "lavida"),
        "LaViDa-Dream": make_dream(tmp_path / "dream"),
        "LLaDA-V": tiny_models.make_official(tmp_path / "llada-v"),
    }
    for name, folder in folders.items():
        found = find_official(folder)
        assert found is not None
        assert found.name == name
    assert official_format({"model_type": "llava_llada", "d_model": 1, "hidden_size": 1}).name == (  # type: ignore[union-attr]
        "LaViDa"
    ), "training writes a hidden_size beside LLaDA's own names"
    change(folders["LaViDa"], d_model=None)
    with pytest.raises(ValueError, match=r"config.json: model_type 'llava_llada'.*has neither"):
        load_captioner(folders["LaViDa"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image_aspect_ratio": "pad"}, "image_aspect_ratio 'pad': only 'anyres' is known"),
        ({"image_aspect_ratio": "anyres_max_4"}, "image_aspect_ratio 'anyres_max_4'"),
        ({"image_grid_pinpoints": [[384, 768]]}, "[384, 768] must be two multiples of 42 pixels"),
        ({"image_grid_pinpoints": None}, "no image_grid_pinpoints"),
        ({"mm_spatial_pool_mode": None}, "mm_spatial_pool_mode None: known are bilinear"),
        ({"mm_spatial_pool_stride": 3}, "mm_spatial_pool_stride 3: only 2 is known of LaViDa"),
        ({"mm_patch_merge_type": "flat"}, "mm_patch_merge_type 'flat': only 'spatial_unpad'"),
        ({"vision_config": None, "mm_vision_tower": "openai/clip"}, "unknown vision tower"),
        ({"mask_token_id": 1_000}, "mask_token_id"),
        ({"mm_resampler_type": "perceiver"}, "mm_resampler_type 'perceiver': only None is known"),
        ({"rms_norm_eps": None}, "config.json has no 'rms_norm_eps'"),
    ],
)
def test_what_is_not_known_of_lavida_is_refused(
    values: dict[str, object], message: str, lavida_copy: Path
) -> None:
    change(lavida_copy, **values)
    with pytest.raises(ValueError, match=re.escape(message)):
        load_captioner(lavida_copy)


@pytest.mark.parametrize("key", ["include_bias", "weight_tying", "alibi", "clip_qkv"])
def test_another_network_of_llada_is_refused(key: str, tmp_path: Path) -> None:
    change(make_lavida(tmp_path / "lavida"), **{key: True})
    with pytest.raises(ValueError, match=rf"{key} True: only (False|None) is known of LaViDa"):
        load_captioner(tmp_path / "lavida")


def test_another_chat_template_is_refused(lavida_copy: Path) -> None:
    dream = (lavida_copy / "config.json").read_text().count("llava_dream")
    tokens = DREAM_TOKENS if dream else LLADA_TOKENS
    own = Checkpoint.load(lavida_copy).tokenizer.chat_template
    save_tokenizer(lavida_copy, tokens, template=own)
    Checkpoint.load(lavida_copy)
    save_tokenizer(lavida_copy, tokens, template="{{ messages[0]['content'] }}")
    with pytest.raises(ValueError, match="its chat template writes 'zero', LaViDa's authors"):
        Checkpoint.load(lavida_copy)


def test_tokens_that_are_missing_are_named(lavida_copy: Path) -> None:
    save_tokenizer(lavida_copy, ["<|startoftext|>", "<|endoftext|>", "<|mask|>", "<|mdm_mask|>"])
    with pytest.raises(ValueError, match=r"the tokenizer has no <\|"):
        Checkpoint.load(lavida_copy)
    (lavida_copy / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match=r"has no tokenizer.json: write one"):
        Checkpoint.load(lavida_copy)


def test_a_tower_from_elsewhere(lavida_copy: Path, tmp_path: Path) -> None:
    """A checkpoint without a tower reads the one that `mm_vision_tower` names."""
    whole = Checkpoint.load(lavida_copy)
    tensors = {n: t for p in lavida_copy.glob("*.safetensors") for n, t in load_file(p).items()}
    for path in (*lavida_copy.glob("*.safetensors"), *lavida_copy.glob("*.index.json")):
        path.unlink()
    kept = {name: t for name, t in tensors.items() if ".vision_tower." not in name}
    save_file(kept, lavida_copy / "model.safetensors", {"format": "pt"})
    shape: Any = whole.model.config.vision_config
    torch.manual_seed(0)
    tower = SiglipVisionModel(SiglipVisionConfig(**{**shape.to_dict(), "num_hidden_layers": 2}))
    tower.save_pretrained(tmp_path / "tower")
    change(lavida_copy, mm_vision_tower=str(tmp_path / "tower"), vision_config=None)
    with torch.inference_mode():
        tiles = whole.image_batch(IMAGES).tiles
        wanted = tower(tiles, output_hidden_states=True).hidden_states[1]
        found = Checkpoint.load(lavida_copy).model.model.vision_tower(
            tiles, output_hidden_states=True
        )
    torch.testing.assert_close(found.hidden_states[-1], wanted)


def test_dream_without_a_mask_id_is_refused(tmp_path: Path) -> None:
    change(make_dream(tmp_path / "dream"), mask_token_id=None)
    with pytest.raises(ValueError, match=r"config.json: mask_token_id None is not a token"):
        load_captioner(tmp_path / "dream")
