"""Steps of `rediff-8b-lora` with random weights: tokens a second and memory, beside its plan.

A checkpoint of LLaDA-V's shape is drawn and written, with pictures of one colour and captions to
learn from; the recipe's stage `revision` then takes a few steps by `rediff-eval train`'s own code.

    python benchmarks/train_step.py --shape 8b --steps 20
    python benchmarks/train_step.py --shape toy --steps 12
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.captioners.sources import pick_device
from rediff.data.dialogue import CAPTION_PROMPT
from rediff.models.chat_format import IMAGE, build_tokenizer
from rediff.models.checkpoint import Checkpoint
from rediff.models.config import CaptionerConfig
from rediff.models.llada_v_config import PUBLISHED, model_config
from rediff.models.official_format import image_processor
from rediff.scenes.parser import tokenize
from rediff.training.estimate import plan
from rediff.training.fingerprint import DONE
from rediff.training.logs import LOG, read_log
from rediff.training.overrides import with_checkpoint, with_data
from rediff.training.pipeline import train
from rediff.training.recipe import Recipe
from rediff.training.recipe_files import find_recipe

STAGE = "revision"
TOY: Mapping[str, Any] = {
    **PUBLISHED,
    "vocab_size": 400,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_grid_pinpoints": "(1x1),...,(2x2)",
    "vision_config": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    },
}
SHAPES: Mapping[str, Mapping[str, Any]] = {"8b": PUBLISHED, "toy": TOY}
WORDS = tuple(f"w{number}" for number in range(200))
CAPTION = " ".join(WORDS[:100])


def write_checkpoint(folder: Path, shape: str) -> None:
    """Random weights of a shape in bfloat16, with a tokenizer of a few words."""
    torch.manual_seed(0)
    config = model_config(SHAPES[shape])
    tokenizer = build_tokenizer((*WORDS, "user", "assistant", *tokenize(CAPTION_PROMPT)))
    config.image_token_index = tokenizer.vocab[IMAGE]
    with torch.device(pick_device()):
        torch.set_default_dtype(torch.bfloat16)
        model = LlavaOnevisionForConditionalGeneration(config)
        torch.set_default_dtype(torch.float32)
    card = CaptionerConfig(kind="diffusion", canvas=128, dtype="bfloat16")
    Checkpoint(model, tokenizer, image_processor(config), card).save(folder)
    del model
    torch.cuda.empty_cache()  # or it takes memory beside the one that is trained


def write_data(folder: Path, tokenizer: Path, *, size: tuple[int, int]) -> Path:
    """Pictures with captions, and the mixture that names them."""
    rows = []
    for number, colour in enumerate(("red", "green", "blue", "white") * 16):
        Image.new("RGB", size, colour).save(folder / f"{number}.png")
        turns = [{"from": "human", "value": f"<image>\n{CAPTION_PROMPT}"}]
        turns.append({"from": "gpt", "value": CAPTION})
        rows.append({"image": f"{number}.png", "conversations": turns})
    (folder / "captions.json").write_text(json.dumps(rows))
    source = {"format": "conversations", "path": "captions.json", "images": "."}
    mixture = {"tokenizer": str(tokenizer), "sources": {"captions": source}}
    (folder / "mixture.yaml").write_text(yaml.safe_dump(mixture))
    return folder / "mixture.yaml"


def recipe_of(steps: int, batch: int, checkpoint: Path, data: Path) -> Recipe:
    """`rediff-8b-lora` with few steps of a small batch, otherwise as it is."""
    recipe = Recipe.load(find_recipe("rediff-8b-lora"))
    stage: Any = recipe.stages[STAGE]
    few = {"steps": steps, "batch_size": batch, "workers": 2, "save_every": steps + 1}
    changed = stage.model_copy(update={"optimisation": stage.optimisation.model_copy(update=few)})
    return with_data(with_checkpoint(recipe.with_stages({STAGE: changed}), checkpoint), data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=list(SHAPES), default="toy")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tflops", type=float, default=400.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_checkpoint(root / "start", given.shape)
        size = (640, 480) if given.shape == "8b" else (80, 60)
        recipe = recipe_of(
            given.steps, given.batch, root / "start", write_data(root, root / "start", size=size)
        )
        planned = {s.stage: s for s in plan(recipe, processes=1, tflops=given.tflops)}[STAGE]
        train(recipe, root / "train", only=["llada-v", "public"], jobs=1)
        for weights in (root / "start").glob("*.safetensors"):
            weights.unlink()  # they are copied, and three of a kind fill a disk
        train(recipe, root / "train", only=[STAGE], jobs=1)
        log = read_log(root / "train" / STAGE / LOG)
        done = json.loads((root / "train" / STAGE / DONE).read_text())
    first, last = log[0], log[-1]
    seconds = (last["seconds"] - first["seconds"]) / max(1, last["step"] - first["step"])
    assert planned.tokens is not None
    assert planned.hours is not None
    tokens = planned.tokens / given.steps
    memory = done.get("memory")
    print(f"\nrediff-8b-lora, {given.shape}: {planned.parameters:,} weights, {pick_device()}\n")
    print("| | measured | planned |\n|---|---|---|")
    print(f"| seconds a step of {given.batch} rows | {seconds:.2f} | ", end="")
    print(f"{3600 * planned.hours / given.steps:.2f} at {given.tflops:g} TFLOP/s |")
    print(f"| tokens a second | {tokens / seconds if seconds else 0:,.0f} | |")
    shown = "not known" if memory is None else f"{memory / 1e9:.1f}"
    print(f"| GB at the peak | {shown} | {(planned.memory or 0) / 1e9:.1f} |")


if __name__ == "__main__":
    main()
