"""The stage `fills`: the model's own errors in true answers, with no expert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from rediff.training.distributed import on_main_process
from rediff.training.draft_records import DRAFTS, Draft, pad_words, read_lines
from rediff.training.drafting import DraftRequest, draft_all
from rediff.training.estimate import estimate_decoding
from rediff.training.examples import ExampleMaker
from rediff.training.filling import Fill, Filler
from rediff.training.items import Item
from rediff.training.learning import LEFT_OUT, fitting
from rediff.training.planning import PlannedStage, Planner
from rediff.training.stages.base import Data, Makes, Run, Stage, register_stage
from rediff.training.stages.expert import write_better


@register_stage("fills")
class FillsStage(Stage):
    """Corrections for `correct` that need no expert: see `Fill`.

    The right answer is the true one, so the model learns from the errors that it makes when it
    writes several words at once, and not from words that are as good. Of a pair of a wrong and a
    right answer the right one is filled. `at_once`: words of a turn; with several, each answer is
    filled once with each. `pictures`: how many, the first of each of the data; of a picture's
    answers one is taken, another for each of `at_once`.
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

    @property
    def how(self) -> Fill:
        """How the answers are filled."""
        return Fill(levels=self.levels, turns=self.turns, sure=self.sure)

    def run(self, run: Run) -> None:
        checkpoint = run.decoder(self.start)
        maker = ExampleMaker(checkpoint, run.recipe.canvas)
        items = {item.id: item for name in self.data for item in self._answered(run, name, maker)}
        requests = [
            DraftRequest(item, number % len(item.dialogues), words)
            for number, words in enumerate(self.at_once)
            for item in items.values()
        ]
        filler = Filler(maker, self.how, self.batch_size, self.seed)
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

    def _answered(self, run: Run, name: str, maker: ExampleMaker) -> Sequence[Item]:
        """The first pictures of some data, with right answers that fit the canvas."""
        items = run.items(name, maker.checkpoint.config.prompt)[: self.pictures]
        left_out = run.folder / f"{LEFT_OUT}-{name}.txt"
        return fitting([item.righted() for item in items], maker, left_out)

    def estimate(self, name: str, planner: Planner) -> PlannedStage:
        answers = self.pictures * len(self.data) * len(self.at_once)
        tokens = answers * self.how.passes * planner.row.tokens
        return estimate_decoding(name, self.kind, planner, self.how.passes, tokens)
