"""The expert `repair`: the model itself, given time (no expert at all)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rediff.decoding.canvas import Canvas
from rediff.models.checkpoint import Checkpoint
from rediff.training.distributed import on_main_process
from rediff.training.draft_records import Draft, read_lines
from rediff.training.drafting import DiffusionDrafter, DraftRequest, draft_all
from rediff.training.edits import END
from rediff.training.items import Item
from rediff.training.stages.base import Run
from rediff.training.stages.expert import ExpertStage, register_expert, write_better

REPAIRED = "repaired.jsonl"
BATCH = 32


@register_expert("repair", field="start")
def correct_by_repair(
    stage: ExpertStage, run: Run, drafts: Sequence[Draft], items: Mapping[str, Item]
) -> None:
    """Each draft is the canvas on which the stage's sampler begins, with a token a step to spend.

    A sampler that keeps visible tokens would change nothing: `repair` masks words that the rest of
    the text does not support, and `refine` revises. The draft's words that came out otherwise are
    its wrong ones.
    """
    assert stage.start is not None
    known = {(draft.id, draft.dialogue, draft.tokens_per_step): draft for draft in drafts}
    repairer = Repairer(run.decoder(stage.start), stage.sampler, known)
    requests = [
        DraftRequest(items[draft.id], draft.dialogue, draft.tokens_per_step) for draft in drafts
    ]
    draft_all(repairer, requests, run.folder, run.folder / REPAIRED)

    def compare() -> None:
        repaired = list(read_lines(run.folder / REPAIRED, Draft))
        better = [draft.words for draft in repaired]
        write_better(run.folder, drafts, better, sum(draft.nfe for draft in repaired))

    on_main_process(compare)


class Repairer(DiffusionDrafter):
    """Drafts that begin with other drafts, by their keys: picture, dialogue and budget."""

    def __init__(
        self, checkpoint: Checkpoint, sampler: str, known: Mapping[tuple[str, int, int], Draft]
    ) -> None:
        super().__init__(checkpoint, sampler, BATCH)
        self.known = known

    def pace(self, budget: int) -> int:
        """One token a step, however quick the draft was."""
        return 1

    def canvas(self, requests: Sequence[DraftRequest]) -> Canvas:
        checkpoint = self.checkpoint
        ids, vocabulary = checkpoint.ids, checkpoint.tokenizer.get_vocab()
        drafts = [self.known[request.key] for request in requests]
        length, device = checkpoint.config.canvas, checkpoint.model.device
        canvas = Canvas.blank(len(drafts), length, ids, device=device)
        for row, draft in enumerate(drafts):
            written = [vocabulary[word] for word in draft.words if word != END]
            ends = [ids.eos] if END in draft.words else []
            canvas = canvas.prefill(row, [*written, *ends])
        return canvas
