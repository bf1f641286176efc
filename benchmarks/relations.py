"""Whether a denoiser knows how two figures lie: hidden figures of true sentences that relate them.

    python benchmarks/relations.py train-0/facts/model train-0/base/model

In the first such sentence of each caption ("the ring is above the star") one of the two is hidden,
alone; then all that follows it, too. Prints the share that one pass tells right, as Markdown, on
validation scenes; whatever makes the sentence true is right.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch
from PIL import Image

from rediff.captioners.base import CaptionRequest
from rediff.captioners.diffusion import prompted_denoiser
from rediff.data.dialogue import CAPTION_PROMPT
from rediff.data.records import Turn
from rediff.models.checkpoint import Checkpoint
from rediff.scenes.dataset import scene_rows
from rediff.scenes.parser import split_sentences
from rediff.scenes.sentence_parser import recognise
from rediff.scenes.world import SHAPES, Scene
from rediff.training.examples import ExampleMaker

FIGURES = ("the first figure", "the second")


@dataclass(frozen=True)
class RelatedFigures:
    """A true caption in which the words from `start` to before `stop` relate two figures."""

    image: Image.Image
    scene: Scene
    caption: str
    start: int
    stop: int

    def figure(self, number: int) -> int:
        """The place of the word that names the first or the second of the two."""
        words = self.caption.split()[self.start : self.stop]
        return self.start + [i for i, word in enumerate(words) if word in SHAPES][number]

    def holds_with(self, figure: str, place: int) -> bool:
        """Whether the sentence is true with another word in this place."""
        words = self.caption.split()
        words[place] = figure
        parsed = recognise(" ".join(words[self.start : self.stop]))
        if parsed is None:
            return False
        told = parsed.filled
        return (told["shape"], told["relation"], told["other"]) in self.scene.pairwise()


def related_figures(scenes: int) -> Iterator[RelatedFigures]:
    """The captions that relate two figures, of the first validation scenes."""
    for row in scene_rows("validation", scenes, captions=1):
        start = 0
        for sentence in split_sentences(row["captions"][0]):
            stop, parsed = start + len(sentence.split()), recognise(sentence)
            if parsed is not None and parsed.kind == "relation":
                scene = Scene.from_json(row["scene"])
                yield RelatedFigures(row["image"], scene, row["captions"][0], start, stop)
                break
            start = stop


@torch.inference_mode()
def told_right(checkpoint: Checkpoint, scenes: int) -> list[tuple[float, float]]:
    """For either figure the share told right, alone and with all after it hidden.

    Raises ValueError for a checkpoint that fills no masks, and if no caption relates two figures.
    """
    if checkpoint.config.kind != "diffusion":
        raise ValueError("an autoregressive model fills no masks")
    texts = list(related_figures(scenes))
    if not texts:
        raise ValueError(f"no caption of {scenes} scenes relates two figures")
    denoiser = prompted_denoiser(checkpoint, [CaptionRequest(image=text.image) for text in texts])
    maker = ExampleMaker(checkpoint, checkpoint.config.canvas)
    turns = [(Turn(CAPTION_PROMPT, text.caption),) for text in texts]
    true = torch.stack([answer.response for answer in maker.answers(turns, "validation")])
    rows, position = torch.arange(len(texts)), torch.arange(true.size(1))
    shares = []
    for number in range(len(FIGURES)):
        places = torch.tensor([text.figure(number) for text in texts])
        right = []
        for hidden in (position == places[:, None], position >= places[:, None]):
            logits = denoiser(true.masked_fill(hidden, checkpoint.ids.mask), rows)
            told = logits[rows, places].argmax(-1).tolist()
            words = checkpoint.tokenizer.convert_ids_to_tokens(told)
            filled = zip(texts, words, places.tolist(), strict=True)
            right.append(mean(text.holds_with(word, place) for text, word, place in filled))
        shares.append((right[0], right[1]))
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--scenes", type=int, default=500)
    options = parser.parse_args()
    print("| alone / all after it hidden |", " | ".join(FIGURES), "|")
    print("|---|" + "---|" * len(FIGURES))
    for folder in options.checkpoints:
        try:
            shares = told_right(Checkpoint.load(folder), options.scenes)
        except (ValueError, OSError) as error:
            raise SystemExit(f"{folder}: {error}") from error
        cells = (f"{alone:.2f} / {after:.2f}" for alone, after in shares)
        print(f"| {folder} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
