"""Drafting: a checkpoint's captions of training pictures, made by all processes, none twice."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rediff.captioners.autoregressive import GREEDY, AutoregressiveCaptioner, FirstOfTies
from rediff.captioners.base import CaptionRequest, Decoding
from rediff.captioners.diffusion import DiffusionCaptioner
from rediff.decoding.canvas import Canvas
from rediff.decoding.registry import find_sampler
from rediff.io.part_store import PartStore, work_through
from rediff.io.rank import Rank
from rediff.models.checkpoint import Checkpoint
from rediff.training.distributed import all_gather_flag, on_main_process, process_group
from rediff.training.draft_records import Draft, pad_words, write_lines
from rediff.training.items import Item, before_answer
from rediff.training.logs import Count

PARTS = "parts"
LEFT_TO_RIGHT = (GREEDY, (1,))
"""Sampler and budgets with which an autoregressive model drafts."""
AS_AUTOREGRESSIVE = f"with `sampler: {GREEDY}` and `tokens_per_step: [1]`"
KEY = ("id", "dialogue", "tokens_per_step")
"""The fields that tell a draft from the others of a stage."""


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """A picture, the number of the dialogue that is answered, and the budget."""

    item: Item
    dialogue: int
    tokens_per_step: int

    @property
    def key(self) -> tuple[str, int, int]:
        """The values of `KEY`."""
        return self.item.id, self.dialogue, self.tokens_per_step

    def asked(self) -> CaptionRequest:
        """The same to a captioner. Raises as `Item.open`."""
        dialogue = before_answer(self.item.dialogues[self.dialogue])
        return CaptionRequest(image=self.item.open(), dialogue=dialogue)


class Drafter(ABC):
    """Who drafts: a checkpoint, its tokens as words, `batch_size` requests at a time."""

    def __init__(self, checkpoint: Checkpoint, batch_size: int) -> None:
        self.checkpoint, self.batch_size = checkpoint, batch_size

    @abstractmethod
    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """The drafts of some requests with the same budget."""

    def spelled(self, request: DraftRequest, response: list[int], nfe: int) -> Draft:
        """The draft of a response.

        Args:
            request: to be answered.
            response: token ids, without eos.
            nfe: forward passes that it took.
        """
        words = self.checkpoint.spell(response)
        return Draft(
            id=request.item.id,
            dialogue=request.dialogue,
            tokens_per_step=request.tokens_per_step,
            nfe=nfe,
            words=pad_words(words, self.checkpoint.config.canvas),
        )


class DiffusionDrafter(Drafter):
    """Drafts by a sampler, with the captioner of evaluations."""

    def __init__(self, checkpoint: Checkpoint, sampler: str, batch_size: int) -> None:
        super().__init__(checkpoint, batch_size)
        self.captioner = DiffusionCaptioner(checkpoint)
        self.sampler = find_sampler(sampler)

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        length, budget = self.checkpoint.config.canvas, requests[0].tokens_per_step
        decoding = Decoding(sampler=self.sampler, steps=length // self.pace(budget))
        asked = [request.asked() for request in requests]
        decoded = self.captioner.decode(asked, decoding, self.canvas(requests))
        return [
            self.spelled(*row) for row in zip(requests, decoded.responses, decoded.nfe, strict=True)
        ]

    def pace(self, budget: int) -> int:
        """Tokens per step of a request with that budget."""
        return budget

    def canvas(self, requests: Sequence[DraftRequest]) -> Canvas | None:
        """The canvas with which decoding begins; None for a blank one."""
        return None


class AutoregressiveDrafter(Drafter):
    """Drafts of a model that writes from left to right, one token a pass; see `FirstOfTies`."""

    def __init__(self, checkpoint: Checkpoint, batch_size: int, ties: float | None = None) -> None:
        super().__init__(checkpoint, batch_size)
        self.captioner = AutoregressiveCaptioner(checkpoint)
        self.processors = () if ties is None else (FirstOfTies(ties),)

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        asked = [request.asked() for request in requests]
        written = self.captioner.decode(asked, *self.processors)
        return [
            self.spelled(request, row.response, row.passes)
            for request, row in zip(requests, written, strict=True)
        ]


def drafter_of(
    checkpoint: Checkpoint,
    sampler: str,
    tokens_per_step: Sequence[int],
    batch_size: int,
    ties: float | None = None,
) -> Drafter:
    """The drafter of a checkpoint, chosen by its kind.

    Args:
        checkpoint: of a diffusion model, or an autoregressive one.
        sampler: how a diffusion model decodes; of an autoregressive one, `GREEDY`.
        tokens_per_step: the budgets; of an autoregressive one, one token.
        batch_size: requests at a time.
        ties: of an autoregressive model, the ratio of `FirstOfTies`; None for the likeliest words.

    Raises:
        ValueError: for another sampler or budget of an autoregressive model, or an unknown sampler.
    """
    if checkpoint.config.kind == "diffusion":
        assert ties is None
        return DiffusionDrafter(checkpoint, sampler, batch_size)
    if (sampler, tuple(tokens_per_step)) != LEFT_TO_RIGHT:
        raise ValueError(
            f"an autoregressive model drafts {AS_AUTOREGRESSIVE}, not with {sampler!r} and"
            f" {list(tokens_per_step)}"
        )
    return AutoregressiveDrafter(checkpoint, batch_size, ties)


def draft_all(drafter: Drafter, requests: Sequence[DraftRequest], folder: Path, path: Path) -> None:
    """Decodes every request once and writes all drafts to a file, in the order of the requests.

    Each process takes the requests whose pictures' ids hash to it, and stores each batch as it is
    done. After an interruption, any number of processes resumes from there.

    Args:
        drafter: the captioner.
        requests: pictures, dialogues and budgets.
        folder: holds the stored batches until all are done.
        path: of the drafts.
    """
    group = process_group()
    rank = Rank(index=group.process_index, world=group.num_processes)
    with PartStore(folder / PARTS, rank, KEY) as store:
        todo = [r for r in requests if store.look(r.key) is None and rank.owns(r.item.id)]

        def work(batch: Sequence[DraftRequest]) -> None:
            for request, draft in zip(batch, drafter.draft(batch), strict=True):
                store.append(request.key, draft.model_dump(mode="json", exclude=set(KEY)))

        with _counting(folder, len(todo)) as advance:
            work_through(todo, drafter.batch_size, work, advance, same=lambda r: r.tokens_per_step)
        all_gather_flag(True)

        def put_together() -> None:
            store.refresh()
            lines = [store.get(request.key) for request in requests]
            assert None not in lines
            write_lines(path, (Draft.model_validate(line) for line in lines))
            shutil.rmtree(folder / PARTS)

        on_main_process(put_together)


def _counting(folder: Path, total: int) -> AbstractContextManager[Callable[[int], None]]:
    """The first process reports its own part; the others are about as far."""
    leads = process_group().is_main_process
    return Count(folder, total) if leads else nullcontext(lambda units: None)
