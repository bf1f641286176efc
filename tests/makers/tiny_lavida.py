"""Tiny LaViDa checkpoints as their authors publish them, with the words of the scenes."""

import json
from pathlib import Path
from typing import Any

from official_lavida import write_checkpoint
from tiny_models import word_level
from transformers import PreTrainedTokenizerFast

from rediff.data.dialogue import CAPTION_PROMPT
from rediff.models.chat_format import SPECIAL_TOKENS, build_tokenizer
from rediff.models.lavida import END_OF_TEXT, END_OF_TURN, PROMPT, START_OF_TURN
from rediff.scenes.grammar import vocabulary
from rediff.scenes.parser import tokenize

ROWS = 200
SIDE = 42
WORDS = (
    *vocabulary(), "system", "user", "assistant", *tokenize(CAPTION_PROMPT), *tokenize(PROMPT),
)  # fmt: skip
LLADA_TOKENS = [token for token in SPECIAL_TOKENS if token not in ("<image>", "<|unknown|>")]
DREAM_TOKENS = [END_OF_TEXT, START_OF_TURN, END_OF_TURN, "<|mask|>"]
PICTURES = {
    "mm_vision_tower": "google/siglip-so400m-patch14-384", "mm_projector_type": "mlp2x_gelu",
    "mm_patch_merge_type": "spatial_unpad", "mm_resampler_type": None,
    "image_aspect_ratio": "anyres", "mm_spatial_pool_mode": "bilinear",
    "image_grid_pinpoints": [
        [SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE], [3 * SIDE, SIDE],
        [SIDE, 3 * SIDE],
    ],
}  # fmt: skip


def make_lavida(folder: Path, *, shards: int = 2) -> Path:
    """LaViDa with LLaDA's text model."""
    config = {
        "d_model": 16, "n_heads": 2, "n_kv_heads": 2, "n_layers": 2, "mlp_hidden_size": 24,
        "vocab_size": ROWS, "embedding_size": ROWS, "rope_theta": 500000.0,
        "max_sequence_length": 4096, "rms_norm_eps": 1e-05, "block_type": "llama",
        "weight_tying": False, "mask_token_id": LLADA_TOKENS.index("<|mdm_mask|>"), **PICTURES,
    }  # fmt: skip
    block = {
        "attn_norm": [16], "ff_norm": [16], "q_proj": [16, 16], "k_proj": [16, 16],
        "v_proj": [16, 16], "attn_out": [16, 16], "ff_proj": [24, 16], "up_proj": [24, 16],
        "ff_out": [16, 24],
    }  # fmt: skip
    keys = {
        "model.transformer.wte.weight": [ROWS, 16], "model.transformer.ln_f.weight": [16],
        "model.transformer.ff_out.weight": [ROWS, 16], **picture_keys(),
    }  # fmt: skip
    for i in range(2):
        prefix = f"model.transformer.blocks.{i}."
        keys |= {f"{prefix}{name}.weight": shape for name, shape in block.items()}
    write(folder, config, keys, "llava_llada", shards)
    save_tokenizer(folder, LLADA_TOKENS)
    return folder


def make_dream(folder: Path) -> Path:
    """LaViDa with Dream's text model."""
    config = {
        "vocab_size": ROWS, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0, "max_position_embeddings": 4096,
        "mask_token_id": DREAM_TOKENS.index("<|mask|>"), "pad_token_id": 0, **PICTURES,
    }  # fmt: skip
    layer = {
        "self_attn.q_proj.weight": [16, 16], "self_attn.q_proj.bias": [16],
        "self_attn.k_proj.weight": [8, 16], "self_attn.k_proj.bias": [8],
        "self_attn.v_proj.weight": [8, 16], "self_attn.v_proj.bias": [8],
        "self_attn.o_proj.weight": [16, 16], "mlp.gate_proj.weight": [24, 16],
        "mlp.up_proj.weight": [24, 16], "mlp.down_proj.weight": [16, 24],
        "input_layernorm.weight": [16], "post_attention_layernorm.weight": [16],
    }  # fmt: skip
    keys = {
        "model.embed_tokens.weight": [ROWS, 16], "model.norm.weight": [16],
        "lm_head.weight": [ROWS, 16], **picture_keys(),
    }  # fmt: skip
    for i in range(2):
        keys |= {f"model.layers.{i}.{name}": shape for name, shape in layer.items()}
    write(folder, config, keys, "llava_dream", 1)
    save_tokenizer(folder, DREAM_TOKENS)
    return folder


def write(
    folder: Path, config: dict[str, Any], keys: dict[str, Any], model_type: str, shards: int
) -> None:
    vision = {
        "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": SIDE, "patch_size": 14,
    }  # fmt: skip
    model = {"salt": "tiny", "config": config, "vision_config": vision, "keys": keys}
    write_checkpoint(folder, model, model_type=model_type, shards=shards)


def picture_keys() -> dict[str, list[int]]:
    """The tower without its last layer, the projector and the newline."""
    vision = "model.vision_tower.vision_tower.vision_model."
    own = f"{vision}encoder.layers.0."
    keys = {
        "model.image_newline": [16],
        f"{vision}embeddings.patch_embedding.weight": [16, 3, 14, 14],
        f"{vision}embeddings.patch_embedding.bias": [16],
        f"{vision}embeddings.position_embedding.weight": [(SIDE // 14) ** 2, 16],
        f"{vision}post_layernorm.weight": [16], f"{vision}post_layernorm.bias": [16],
        f"{own}mlp.fc1.weight": [24, 16], f"{own}mlp.fc1.bias": [24],
        f"{own}mlp.fc2.weight": [16, 24], f"{own}mlp.fc2.bias": [16],
    }  # fmt: skip
    for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
        keys |= {f"{own}self_attn.{part}.weight": [16, 16], f"{own}self_attn.{part}.bias": [16]}
    for norm in ("layer_norm1", "layer_norm2"):
        keys |= {f"{own}{norm}.weight": [16], f"{own}{norm}.bias": [16]}
    for part in ("0", "2"):
        keys |= {
            f"model.mm_projector.{part}.weight": [16, 16],
            f"model.mm_projector.{part}.bias": [16],
        }
    return keys


def save_tokenizer(folder: Path, special: list[str], template: str | None = None) -> None:
    """A word-level tokenizer, these special tokens first, with a chat template if one is given."""
    like = build_tokenizer(WORDS).backend_tokenizer
    backend = word_level([*special, *WORDS])
    backend.normalizer, backend.decoder = like.normalizer, like.decoder
    PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", additional_special_tokens=special,
        chat_template=template,
    ).save_pretrained(folder)  # fmt: skip


def change(folder: Path, **values: object) -> None:
    """Other values in `config.json`; None takes a key away."""
    path = folder / "config.json"
    raw = json.loads(path.read_text()) | values
    path.write_text(json.dumps({k: v for k, v in raw.items() if v is not None}))
