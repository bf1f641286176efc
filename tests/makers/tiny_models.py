"""Tiny model folders of every kind that a captioner loads, with random weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from official import write_checkpoint
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPImageProcessorPil,
    DiffusionGemmaConfig,
    DiffusionGemmaForBlockDiffusion,
    Gemma4ImageProcessorPil,
    GotOcr2ImageProcessorPil,
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    MPNetConfig,
    MPNetModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    T5Config,
    T5ForConditionalGeneration,
)

from rediff.data.dialogue import CAPTION_PROMPT
from rediff.models.chat_format import SPECIAL_TOKENS, build_tokenizer
from rediff.models.tiny import TinyConfig
from rediff.scenes.grammar import vocabulary
from rediff.scenes.parser import tokenize

TOY = TinyConfig(hidden=32, layers=2, heads=2, feed_forward=48)
"""A model that trains a few steps within a second."""
ROPE = {"rope_type": "default", "rope_theta": 10_000.0}
TEXT = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2,
}  # fmt: skip


def official_description(salt: str = "tiny", *, rows: int = 200) -> dict[str, Any]:
    """A LLaDA-V of `rows` tokens and tiles of 28 pixels, in the form of the vectors' model.json."""
    text, vision = "model.layers.{}.", "model.vision_tower.vision_tower.vision_model."
    layer = {
        "self_attn.q_proj.weight": [16, 16], "self_attn.k_proj.weight": [16, 16],
        "self_attn.v_proj.weight": [16, 16], "self_attn.o_proj.weight": [16, 16],
        "mlp.gate_proj.weight": [24, 16], "mlp.up_proj.weight": [24, 16],
        "mlp.down_proj.weight": [16, 24], "input_layernorm.weight": [16],
        "post_attention_layernorm.weight": [16],
    }  # fmt: skip
    tower = {
        "self_attn.k_proj": [16, 16], "self_attn.v_proj": [16, 16], "self_attn.q_proj": [16, 16],
        "self_attn.out_proj": [16, 16], "mlp.fc1": [24, 16], "mlp.fc2": [16, 24],
    }  # fmt: skip
    keys = {
        "model.image_newline": [16], "model.embed_tokens.weight": [rows, 16],
        "model.norm.weight": [16], "lm_head.weight": [rows, 16],
        f"{vision}embeddings.patch_embedding.weight": [16, 3, 14, 14],
        f"{vision}embeddings.patch_embedding.bias": [16],
        f"{vision}embeddings.position_embedding.weight": [4, 16],
        f"{vision}post_layernorm.weight": [16], f"{vision}post_layernorm.bias": [16],
    }  # fmt: skip
    for part in ("0", "2"):
        keys |= {
            f"model.mm_projector.{part}.weight": [16, 16],
            f"model.mm_projector.{part}.bias": [16],
        }
    for i in range(2):
        keys |= {f"{text.format(i)}{name}": shape for name, shape in layer.items()}
    own = f"{vision}encoder.layers.0."
    for name, shape in tower.items():
        keys |= {f"{own}{name}.weight": shape, f"{own}{name}.bias": shape[:1]}
    for norm in ("layer_norm1", "layer_norm2"):
        keys |= {f"{own}{norm}.weight": [16], f"{own}{norm}.bias": [16]}
    return {
        "salt": salt,
        "config": {
            "vocab_size": rows, **TEXT, "intermediate_size": 24, "rope_theta": 500000.0,
            "rms_norm_eps": 1e-05, "max_position_embeddings": 8192, "bos_token_id": 0,
            "eos_token_id": 1, "mm_projector_type": "mlp2x_gelu",
            "mm_patch_merge_type": "spatial_unpad", "image_aspect_ratio": "anyres_max_4",
            "image_grid_pinpoints": "(1x1),...,(6x6)", "mm_vision_select_layer": -2,
            "mm_newline_position": "grid",
        },
        "vision": {
            "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers_in_tower_file": 2,
            "layers_kept": 1, "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
        },
        "keys": keys,
    }  # fmt: skip


def make_official(folder: Path, *, shards: int = 2) -> Path:
    """A checkpoint as LLaDA-V's authors publish one, with the words of the scenes."""
    write_checkpoint(folder, official_description(), shards=shards)
    words = (*vocabulary(), "system", "user", "assistant", *tokenize(CAPTION_PROMPT))
    special = [token for token in SPECIAL_TOKENS if token not in ("<image>", "<|unknown|>")]
    like = build_tokenizer(words).backend_tokenizer
    backend = word_level([*special, *words])
    backend.normalizer, backend.decoder = like.normalizer, like.decoder
    PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token=special[0], eos_token=special[1],
        pad_token=special[1], additional_special_tokens=special[2:],
    ).save_pretrained(folder)  # fmt: skip
    return folder


def word_level(words: Sequence[str]) -> Tokenizer:
    vocab = {word: i for i, word in enumerate(dict.fromkeys([*words, "<unk>"]))}
    backend = Tokenizer(WordLevel(vocab, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return backend


def chat_tokenizer(
    image: str, special: Sequence[str] = (), **named: str
) -> PreTrainedTokenizerFast:
    """A word-level tokenizer whose chat template puts `image` before the question."""
    marks = [*named.values(), *special, "<unk>", "<pad>", "<s>", "</s>"]
    extra = {"extra_special_tokens": named} if named else {"additional_special_tokens": [*special]}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=word_level([*marks, *tokenize(CAPTION_PROMPT), "a", "red", "square"]),
        unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        **extra,
    )  # fmt: skip
    tokenizer.chat_template = (
        "{% for message in messages %}{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}" + image + "{% else %}{{ part['text'] }}{% endif %}"
        "{% endfor %}{% endfor %}"
    )
    return tokenizer


def save(folder: Path, model: PreTrainedModel, *companions: Any) -> Path:
    for part in (model, *companions):
        part.save_pretrained(folder)
    return folder


def make_llava(folder: Path) -> Path:
    tokenizer = chat_tokenizer("<image>", image_token="<image>")
    images = CLIPImageProcessorPil(size={"height": 28, "width": 28}, do_center_crop=False)
    processor = LlavaProcessor(
        images, tokenizer, patch_size=14, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=tokenizer.chat_template,
    )  # fmt: skip
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            text_config={
                "model_type": "llama", "vocab_size": len(tokenizer), **TEXT,
                "eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id,
            },
            vision_config={
                "model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 16,
                "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28,
                "patch_size": 14, "projection_dim": 16,
            },
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
            vision_feature_select_strategy="default",
        )
    )  # fmt: skip
    return save(folder, model, processor)


def make_qwen(folder: Path) -> Path:
    marks = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    tokenizer = chat_tokenizer("<|vision_start|><|image_pad|><|vision_end|>", marks)
    ids = dict(zip(marks, tokenizer.convert_tokens_to_ids(list(marks)), strict=True))
    images = Qwen2VLImageProcessorPil(
        min_pixels=28 * 28, max_pixels=28 * 28 * 4, patch_size=14, merge_size=2,
        temporal_patch_size=2,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={
                "vocab_size": len(tokenizer), **TEXT,
                "rope_parameters": {**ROPE, "mrope_section": [2, 1, 1]},
                "eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id,
            },
            vision_config={
                "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2,
                "out_hidden_size": 16, "patch_size": 14, "fullatt_block_indexes": [0],
            },
            vision_start_token_id=ids[marks[0]], vision_end_token_id=ids[marks[1]],
            image_token_id=ids[marks[2]], video_token_id=ids[marks[3]],
        )
    )  # fmt: skip
    return save(folder, model, tokenizer, images)


def make_internvl(folder: Path) -> Path:
    named = {
        "start_image_token": "<img>", "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>", "video_token": "<video>",
    }  # fmt: skip
    tokenizer = chat_tokenizer("<IMG_CONTEXT>", **named)
    images = GotOcr2ImageProcessorPil(
        size={"height": 28, "width": 28}, crop_to_patches=True, min_patches=1, max_patches=2
    )
    torch.manual_seed(0)
    model = InternVLForConditionalGeneration(
        InternVLConfig(
            text_config={
                "model_type": "qwen2", "vocab_size": len(tokenizer), **TEXT,
                "eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id,
            },
            vision_config={
                "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
                "num_attention_heads": 2, "image_size": [28, 28], "patch_size": [14, 14],
            },
            image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"), image_seq_length=1,
            downsample_ratio=0.5,
        )
    )  # fmt: skip
    save(folder, model, tokenizer, images)
    settings = {"processor_class": "InternVLProcessor", "image_seq_length": 1}
    (folder / "processor_config.json").write_text(json.dumps(settings))
    return folder


def make_diffusion_gemma(folder: Path) -> Path:
    named = {
        f"{name}_token": f"<{name}>" for name in ("boi", "eoi", "image", "boa", "eoa", "audio")
    }
    tokenizer = chat_tokenizer("<image>", ["<|video|>"], **named)
    images = Gemma4ImageProcessorPil(patch_size=8, max_soft_tokens=70, pooling_kernel_size=2)
    ids = {name: tokenizer.convert_tokens_to_ids(f"<{name}>") for name in ("boi", "eoi", "image")}
    torch.manual_seed(0)
    model = DiffusionGemmaForBlockDiffusion(
        DiffusionGemmaConfig(
            text_config={
                "vocab_size": len(tokenizer), **TEXT, "head_dim": 8, "global_head_dim": 8,
                "num_global_key_value_heads": 1, "num_experts": 2, "top_k_experts": 1,
                "moe_intermediate_size": 16, "sliding_window": 512,
                "pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id,
                "bos_token_id": tokenizer.bos_token_id,
            },
            vision_config={
                "model_type": "gemma4_vision", "hidden_size": 16, "intermediate_size": 16,
                "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
                "head_dim": 8, "patch_size": 8, "pooling_kernel_size": 2,
                "position_embedding_size": 64,
            },
            boi_token_id=ids["boi"], eoi_token_id=ids["eoi"], image_token_id=ids["image"],
            canvas_length=16,
        )
    )  # fmt: skip
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return save(folder, model, tokenizer, images)


def make_t5(folder: Path) -> Path:
    """A T5 that writes something for any sentence, as FACTUAL's parser is one."""
    words = ("Generate", "Scene", "Graph", ":", "a", "red", "square", ".", "(", ")", ",", "is")
    backend = word_level(["<pad>", "</s>", *words])
    backend.post_processor = TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", backend.token_to_id("</s>"))]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>", eos_token="</s>"
    )
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
            pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
        )
    )  # fmt: skip
    return save(folder, model, tokenizer)


def make_mpnet(folder: Path) -> Path:
    """A sentence encoder of the family of all-mpnet-base-v2."""
    backend = word_level(["<s>", "<pad>", "</s>", "a", "red", "square", "[MASK]"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>",
        model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip
    torch.manual_seed(0)
    model = MPNetModel(
        MPNetConfig(
            vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=16, max_position_embeddings=64,
        )
    )  # fmt: skip
    return save(folder, model, tokenizer)
