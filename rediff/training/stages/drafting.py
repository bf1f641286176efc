"""Decoding training pictures: the drafts of a checkpoint, by all processes, never one twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from pydantic import ValidationError

from rediff.decoding.canvas import Canvas
from rediff.decoding.registry import decode, find_sampler
from rediff.io.files import repair
from rediff.models.checkpoint import Checkpoint
from rediff.models.conditioning import PrefixedDenoiser, image_features, splice
from rediff.training.drafts import DRAFTS, Draft, pad_words, write_lines
from rediff.training.examples import ExampleMaker
from rediff.training.items import Item
from rediff.training.logs import Count
from rediff.training.distributed import alone, is_own, join, tell_all
from rediff.training.settings import DraftsStage
from rediff.training.stages.run import Run

Wish = tuple[Item, int, int]
"""What is to be decoded: a picture, the number of its dialogue, tokens per step."""


def run_drafts(stage: DraftsStage, run: Run) -> None:
    checkpoint = run.decoder(stage.start)
    items = [
        item
        for name in stage.data
        for item in run.items(name, checkpoint.card.prompt)[: stage.pictures]
    ]
    wishes = [(item, item.asked, budget) for budget in stage.tokens_per_step for item in items]
    drafter = Drafter(checkpoint, stage.sampler, stage.batch_size)
    draft_all(drafter, wishes, run.folder, run.folder / DRAFTS)


class Drafter:
    """Decodes batches of pictures with a checkpoint."""

    def __init__(self, checkpoint: Checkpoint, sampler: str, batch_size: int) -> None:
        self.checkpoint = checkpoint
        self.sampler = find_sampler(sampler)
        self.batch_size = batch_size
        self.maker = ExampleMaker(checkpoint, checkpoint.card.canvas)

    @torch.inference_mode()
    def draft(self, wishes: Sequence[Wish]) -> list[Draft]:
        """The drafts of some wishes with one budget."""
        model, length, ids = self.checkpoint.model, self.checkpoint.card.canvas, self.checkpoint.ids
        prompts = [self.maker.prompt(item.dialogues[number]) for item, number, _ in wishes]
        pictures = self.checkpoint.pictures([item.open() for item, _, _ in wishes])
        prefix = splice(model, prompts, image_features(model, pictures))
        canvas = Canvas.blank(len(wishes), length, ids, device=model.device)
        denoiser = PrefixedDenoiser(model, prefix, mask=ids.mask)
        budget = wishes[0][2]
        decoded = decode(denoiser, canvas, self.sampler, length // budget)
        spell = self.checkpoint.tokenizer.convert_ids_to_tokens
        return [
            Draft(
                id=item.id, dialogue=number, tokens_per_step=budget, nfe=nfe,
                words=pad_words(spell(response), length),
            )
            for (item, number, _), response, nfe in zip(
                wishes, decoded.responses, decoded.nfe, strict=True
            )
        ]  # fmt: skip


def draft_all(drafter: Drafter, wishes: Sequence[Wish], folder: Path, path: Path) -> None:
    """Decodes every wish once and writes all drafts to `path` in their order.

    Each process takes those whose pictures' ids hash to it, and keeps each batch as it is done; a
    start after a broken one goes on from there, with however many processes.
    """
    done = {_key_of(draft) for draft in _kept(folder)}
    todo = [wish for wish in wishes if _key(wish) not in done and is_own(wish[0].id)]
    part = folder / f"part-{join().process_index}-{join().num_processes}.jsonl"
    repair(part)
    with part.open("a", encoding="utf-8") as file, _counting(folder, len(todo)) as advance:
        for batch in _batches(todo, drafter.batch_size):
            file.writelines(draft.model_dump_json() + "\n" for draft in drafter.draft(batch))
            file.flush()
            advance(len(batch))
    tell_all(True)

    def put_together() -> None:
        made = {_key_of(draft): draft for draft in _kept(folder)}
        write_lines(path, (made[_key(wish)] for wish in wishes))
        for own in folder.glob("part-*.jsonl"):
            own.unlink()

    alone(put_together)


def _counting(folder: Path, total: int) -> AbstractContextManager[Callable[[int], None]]:
    """The first process counts its own part aloud; the others are about as far."""
    return Count(folder, total) if join().is_main_process else nullcontext(lambda units: None)


def _key_of(draft: Draft) -> tuple[str, int, int]:
    """What tells a draft from the others of a stage."""
    return draft.id, draft.dialogue, draft.tokens_per_step


def _key(wish: Wish) -> tuple[str, int, int]:
    return wish[0].id, wish[1], wish[2]


def _batches(wishes: Iterable[Wish], size: int) -> Iterator[list[Wish]]:
    """Wishes in their order, at most `size` with the same budget together."""
    batch: list[Wish] = []
    for wish in wishes:
        if batch and (len(batch) == size or batch[0][2] != wish[2]):
            yield batch
            batch = []
        batch.append(wish)
    if batch:
        yield batch


def _kept(folder: Path) -> Iterator[Draft]:
    """Drafts of earlier starts; a line that was broken off is none."""
    for path in sorted(folder.glob("part-*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                with contextlib.suppress(ValidationError):
                    yield Draft.model_validate_json(line)
