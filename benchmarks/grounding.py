"""What a denoiser reads off the picture: hidden facts of true captions, by kind.

    python benchmarks/grounding.py train-0/base/model train-1/base/model

Of each caption all words of one kind are hidden, and what follows its end, as in training: "alone"
in the table; then, beside them, half of all other words. Prints the share that is told right in one
pass (a synonym is right), as Markdown, on validation scenes. Where trainings by several seeds part,
they part here.

`--sentences`: of single sentences, which are what a model knows that was not yet shown captions.
`--prefix`: image and prompt do not see the response. What is then lost is known to image tokens
that look for the words that describe them, and not to the words.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from rediff.captioners.base import CaptionRequest
from rediff.captioners.diffusion import prompted_denoiser
from rediff.data.dialogue import CAPTION_PROMPT
from rediff.data.records import Turn
from rediff.models.checkpoint import Checkpoint
from rediff.models.prefix_attention import under_prefix_attention
from rediff.scenes.dataset import scene_rows
from rediff.scenes.grammar import thing_meaning, write_thing
from rediff.scenes.templates import canonical
from rediff.scenes.training.facts import FACTS_OF_THINGS
from rediff.scenes.world import Scene
from rediff.training.corruption import after_eos
from rediff.training.examples import ExampleMaker

NAMES = ("shape", "colour", "size", "texture", "row", "column")
KINDS = dict(zip(NAMES, FACTS_OF_THINGS, strict=True))
SENTENCE_CANVAS = 24
"""Tokens of the canvas that single sentences are learnt on, in the stage `align`."""


def pictures_with_texts(scenes: int, *, sentences: bool) -> list[tuple[Image.Image, str]]:
    """A true caption of each validation scene, or a sentence about each of its things."""
    rows = scene_rows("validation", scenes, captions=1)
    if not sentences:
        return [(row["image"], row["captions"][0]) for row in rows]
    rng = np.random.default_rng(0)
    return [
        (row["image"], write_thing(thing_meaning(thing), rng))
        for row in rows
        for thing in Scene.from_json(row["scene"]).things
    ]


@torch.inference_mode()
def told_right(
    checkpoint: Checkpoint, scenes: int, *, sentences: bool = False
) -> dict[str, tuple[float, float]]:
    """For each kind of fact the share told right, alone and with half of the rest hidden.

    Raises ValueError for a checkpoint that fills no masks.
    """
    if checkpoint.config.kind != "diffusion":
        raise ValueError("an autoregressive model fills no masks")
    pairs = pictures_with_texts(scenes, sentences=sentences)
    denoiser = prompted_denoiser(checkpoint, [CaptionRequest(image=image) for image, _ in pairs])
    maker = ExampleMaker(checkpoint, SENTENCE_CANVAS if sentences else checkpoint.config.canvas)
    turns = [(Turn(CAPTION_PROMPT, text),) for _, text in pairs]
    true = torch.stack([answer.response for answer in maker.answers(turns, "validation")])
    after = after_eos(true, checkpoint.ids.eos)
    vocabulary = checkpoint.tokenizer.convert_ids_to_tokens(list(range(len(checkpoint.tokenizer))))
    facts = [canonical(word) for word in vocabulary]
    number = torch.tensor([facts.index(fact) for fact in facts])
    half = torch.rand(true.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    shares = {}
    for kind, words in KINDS.items():
        hidden = torch.tensor([fact in words for fact in facts])[true]
        right = []
        for mask in (hidden | after, hidden | after | half):
            logits = denoiser(true.masked_fill(mask, checkpoint.ids.mask), torch.arange(len(pairs)))
            right.append(float((number[logits.argmax(-1)] == number[true])[hidden].float().mean()))
        shares[kind] = (right[0], right[1])
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--sentences", action="store_true")
    parser.add_argument("--prefix", action="store_true")
    options = parser.parse_args()
    print("| alone / half of the rest hidden |", " | ".join(KINDS), "|")
    print("|---|" + "---|" * len(KINDS))
    for folder in options.checkpoints:
        try:
            checkpoint = Checkpoint.load(folder)
            with under_prefix_attention(checkpoint.model) if options.prefix else nullcontext():
                shares = told_right(checkpoint, options.scenes, sentences=options.sentences)
        except (ValueError, OSError) as error:
            raise SystemExit(f"{folder}: {error}") from error
        cells = (f"{alone:.2f} / {half:.2f}" for alone, half in shares.values())
        print(f"| {folder} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
