"""The stage `fills`: the model's own errors in true answers, with no expert."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from rediff.training.distributed import on_main_process
from rediff.training.draft_records import DRAFTS, Draft, pad_words, read_lines
from rediff.training.drafting import DraftRequest, draft_all
from rediff.training.filling import Fill, Filler
from rediff.training.stages.base import Data, Makes, Run, Stage, register_stage
from rediff.training.stages.expert import write_better


@register_stage("fills")
class FillsStage(Stage):
    """Corrections for `correct` that need no expert: see `Fill`.

    The right answer is the true one, so what is learnt is what the model gets wrong when it writes
    several words at once, and nothing that is as good. `at_once`: words of a turn; with several,
    each answer is filled once with each. `pictures`: how many, the first of each of the data; of a
    picture's answers one is taken, another for each of `at_once`.
    """

    kind: Literal["fills"] = "fills"
    start: str
    data: Data = ("captions",)
    pictures: int
    at_once: tuple[Annotated[int, Field(gt=0)], ...] = (8,)
    levels: tuple[float, float] = (0.3, 1.0)
    turns: int = Field(default=1, gt=0)
    sure: float = Field(default=0.5, ge=0, le=1)
    batch_size: int = Field(default=32, gt=0)

    makes: ClassVar[Makes] = "corrections"
    needs_denoiser: ClassVar[bool] = True

    def run(self, run: Run) -> None:
        checkpoint = run.decoder(self.start)
        items = {
            item.id: item
            for name in self.data
            for item in run.items(name, checkpoint.config.prompt)[: self.pictures]
        }
        requests = [
            DraftRequest(item, number % len(item.dialogues), words)
            for number, words in enumerate(self.at_once)
            for item in items.values()
        ]
        how = Fill(levels=self.levels, turns=self.turns, sure=self.sure)
        filler = Filler(checkpoint, how, self.batch_size, run.recipe.canvas, self.seed)
        draft_all(filler, requests, run.folder, run.folder / DRAFTS)

        def compare() -> None:
            drafts = list(read_lines(run.folder / DRAFTS, Draft))
            split = checkpoint.tokenizer.tokenize
            truths = [
                pad_words(split(r.item.dialogues[r.dialogue][-1].answer), run.recipe.canvas)
                for r in requests
            ]
            write_better(run.folder, drafts, truths, sum(draft.nfe for draft in drafts))

        on_main_process(compare)
