"""What users of other loaders and decoders reported: each weight and key is used or refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from asking import about
from PIL import Image
from programs import capture, numbers, program
from safetensors.torch import load_file, save_file
from tokenizers.processors import TemplateProcessing
from transformers import LlavaProcessor

from rediff.captioners.base import Caption, Decoding
from rediff.captioners.model_folder import load_captioner
from rediff.captioners.sources import Loading
from rediff.captioners.transformers_vlm import chat_inputs
from rediff.data.dialogue import CAPTION_PROMPT, chat_messages
from rediff.models.checkpoint import Checkpoint
from rediff.models.llada_v_config import model_config
from rediff.models.processors import load_processor
from rediff_eval.results.scoring import TooManyFailuresError

MAKERS = {
    "llava": tiny_models.make_llava, "qwen": tiny_models.make_qwen,
    "internvl": tiny_models.make_internvl, "gemma": tiny_models.make_diffusion_gemma,
}  # fmt: skip


def change_weights(folder: Path, change: Any) -> None:
    for path in folder.glob("*.safetensors"):
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path, metadata={"format": "pt"})


def spoil(tensors: dict[str, torch.Tensor]) -> None:
    for name in tensors:
        tensors[name] = torch.full_like(tensors[name], math.nan)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_weights_that_are_missing_are_refused_with_their_names(make: Any, tmp_path: Path) -> None:
    folder = make(tmp_path / "model")
    gone: list[str] = []

    def drop(tensors: dict[str, torch.Tensor]) -> None:
        name = next(n for n in sorted(tensors) if "layers.0" in n and n.endswith("weight"))
        tensors.pop(name)
        gone.append(name)

    change_weights(folder, drop)
    part = gone[0].rpartition("layers.0.")[2]
    with pytest.raises(ValueError, match=rf"\d missing: .*{part}"):
        load_captioner(folder, Loading(device="cpu"))


def test_weights_of_another_name_are_refused(tmp_path: Path) -> None:
    folder = tiny_models.make_llava(tmp_path / "model")

    def rename(tensors: dict[str, torch.Tensor]) -> None:
        name = next(n for n in sorted(tensors) if n.endswith("q_proj.weight"))
        tensors[name.replace("q_proj", "query")] = tensors.pop(name)

    change_weights(folder, rename)
    with pytest.raises(ValueError, match=r"1 missing: .*q_proj.*1 left over: .*query"):
        load_captioner(folder, Loading(device="cpu"))


@pytest.mark.parametrize("kind", ["diffusion", "autoregressive", "official", *MAKERS])
def test_weights_that_are_no_numbers_give_no_caption(
    kind: str, untrained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    if kind in MAKERS:
        MAKERS[kind](folder)
    elif kind == "official":
        tiny_models.make_official(folder)
    else:
        folder.mkdir()
        for path in (untrained / kind).iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
    change_weights(folder, spoil)
    with pytest.raises(TooManyFailuresError, match="the model's logits are not finite"):
        capture(folder, tmp_path / "run", limit=2)
    lines = (tmp_path / "run" / "captions.jsonl").read_text().splitlines()
    assert all("error" in json.loads(line) for line in lines)


def test_words_that_a_model_forbids_are_no_broken_numbers(tmp_path: Path) -> None:
    folder = tiny_models.make_llava(tmp_path / "model")
    path = folder / "generation_config.json"
    settings = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**settings, "suppress_tokens": [5], "no_repeat_ngram_size": 2}))
    captioner = load_captioner(folder, Loading(device="cpu", max_tokens=8))
    (reply,) = captioner.caption(about([Image.new("RGB", (28, 28))]), Decoding())
    assert isinstance(reply, Caption)


@pytest.mark.parametrize("scale", ["nan", "inf"])
def test_a_guidance_that_is_no_number_is_refused(scale: str, tmp_path: Path) -> None:
    out = program(
        "run", "--task", "capture", "--guidance", scale, "--model", "rediff", "--out",
        tmp_path / "run", ok=2,
    )  # fmt: skip
    assert "guidance must be a finite number" in out
    with pytest.raises(ValueError, match="finite"):
        Decoding(guidance=float(scale))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_the_prompt_is_that_of_transformers_own_path(make: Any, tmp_path: Path) -> None:
    """Also where the template writes the first token that the tokenizer would add, too."""
    folder = make(tmp_path / "model")
    processor: Any = load_processor(folder)
    tokenizer = processor.tokenizer
    processor.chat_template = "<s>" + processor.chat_template
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.convert_tokens_to_ids("<s>"))]
    )
    image = Image.new("RGB", (56, 56))
    turns = chat_messages((CAPTION_PROMPT,), {"type": "image", "image": image})
    expected = processor.apply_chat_template(
        [turns], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )["input_ids"]
    ids = chat_inputs(processor, about([image], [(CAPTION_PROMPT,)]))["input_ids"]
    assert ids.tolist() == expected.tolist()
    assert ids[0].tolist().count(tokenizer.convert_tokens_to_ids("<s>")) == 1
    assert isinstance(processor, LlavaProcessor) == (make is tiny_models.make_llava)


def official(**changes: Any) -> dict[str, Any]:
    vision = {
        "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
    }  # fmt: skip
    return {**tiny_models.official_description()["config"], "vision_config": vision, **changes}


def test_grids_may_be_listed_in_pixels() -> None:
    grids = [[28, 56], [56, 28], [56, 56]]
    config = model_config(official(image_aspect_ratio="anyres", image_grid_pinpoints=grids))
    assert config.image_grid_pinpoints == [[56, 28], [28, 56], [56, 56]]
    as_text = model_config(official(image_grid_pinpoints=str([tuple(g) for g in grids])))
    assert as_text.image_grid_pinpoints == config.image_grid_pinpoints


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_aspect_ratio": "pad"}, "image_aspect_ratio 'pad': only 'anyres'"),
        ({"image_aspect_ratio": None}, "image_aspect_ratio None: only 'anyres'"),
        ({"image_grid_pinpoints": None}, "no image_grid_pinpoints"),
        ({"image_grid_pinpoints": [[28, 30]]}, "must be two multiples of 28"),
        ({"image_grid_pinpoints": "all"}, "expected a range like"),
        ({"rope_scaling": {"type": "odd", "factor": 2.0}}, "rope_scaling 'odd'"),
        ({"mm_use_im_start_end": True}, "mm_use_im_start_end True"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings True"),
    ],
)
def test_what_a_config_says_is_used_or_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_config(official(**changes))


def test_a_scaled_rotary_embedding_is_applied() -> None:
    text: Any = model_config(official(rope_scaling={"type": "linear", "factor": 2.0})).text_config
    assert text.rope_parameters == {
        "factor": 2.0, "rope_type": "linear", "rope_theta": 500000.0,
    }  # fmt: skip


def test_an_open_grid_is_seen_whole(tmp_path: Path) -> None:
    """A checkpoint of plain `anyres`: no number of tokens is too many."""
    folder = tiny_models.make_official(tmp_path / "model")
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), "image_aspect_ratio": "anyres"}
    path.write_text(json.dumps(config))
    captioner = load_captioner(folder, Loading(device="cpu"))
    image = Image.new("RGB", (168, 168))
    (reply,) = captioner.caption(about([image]), Decoding(steps=8))
    assert isinstance(reply, Caption)


def test_max_tokens_sets_the_canvas(tmp_path: Path) -> None:
    folder = tiny_models.make_official(tmp_path / "model")
    capture(folder, tmp_path / "run", "--max-tokens", "32", limit=1)
    assert {row["steps"] for row in numbers(tmp_path / "run")} == {"32", "16", "8", "4"}
    with pytest.raises(ValueError, match="the model has 8192 positions"):
        load_captioner(folder, Loading(device="cpu", max_tokens=9000))


def split_tower(folder: Path, tower: Path) -> None:
    """Moves a checkpoint's vision tower to a folder of its own, in SigLIP's naming."""
    mark, kept, moved = "model.vision_tower.vision_tower.", {}, {}
    for path in folder.glob("*.safetensors"):
        for name, tensor in load_file(path).items():
            target = moved if name.startswith(mark) else kept
            target[name.removeprefix(mark)] = tensor
        path.unlink()
    (folder / "model.safetensors.index.json").unlink()
    tower.mkdir()
    for place, tensors in ((folder, kept), (tower, moved)):
        save_file(tensors, place / "model.safetensors", metadata={"format": "pt"})


def test_a_tower_is_read_from_where_the_config_says(tmp_path: Path) -> None:
    """The authors' fine-tuning saves none."""
    whole = tiny_models.make_official(tmp_path / "whole")
    part = tiny_models.make_official(tmp_path / "part")
    before = Checkpoint.load(whole).model.state_dict()
    tower = tmp_path / "siglip"
    split_tower(part, tower)
    path = part / "config.json"
    config = json.loads(path.read_text())
    described = config.pop("vision_config")
    path.write_text(json.dumps({**config, "mm_vision_tower": str(tower)}))
    (tower / "config.json").write_text(json.dumps({"vision_config": described}))
    after = Checkpoint.load(part).model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    next(tower.glob("*.safetensors")).unlink()
    with pytest.raises((ValueError, OSError), match="siglip"):
        Checkpoint.load(part)


def test_an_adapter_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "GSAI-ML/LLaDA-V"}')
    for load in (load_captioner, Checkpoint.load):
        with pytest.raises(ValueError, match=r"LoRA adapter of GSAI-ML/LLaDA-V.*merge_and_unload"):
            load(tmp_path)
