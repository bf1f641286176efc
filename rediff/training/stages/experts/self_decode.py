"""The expert `self`: the model's own full-step decode as the right answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rediff.training.distributed import on_main_process
from rediff.training.draft_records import Draft, read_lines
from rediff.training.drafting import DiffusionDrafter, DraftRequest, draft_all
from rediff.training.items import Item
from rediff.training.stages.base import Run
from rediff.training.stages.expert import ExpertStage, register_expert, write_better

SELF = "self.jsonl"
BATCH = 32


@register_expert("self", field="start")
def correct_by_self(
    stage: ExpertStage, run: Run, drafts: Sequence[Draft], items: Mapping[str, Item]
) -> None:
    """Decodes each picture at one token a step, and takes that for the truth of its drafts."""
    assert stage.start is not None
    drafter = DiffusionDrafter(run.decoder(stage.start), stage.sampler, BATCH)
    asked = dict.fromkeys((draft.id, draft.dialogue) for draft in drafts)
    requests = [DraftRequest(items[row_id], dialogue, 1) for row_id, dialogue in asked]
    draft_all(drafter, requests, run.folder, run.folder / SELF)

    def compare() -> None:
        decodes = list(read_lines(run.folder / SELF, Draft))
        best = dict(zip(asked, decodes, strict=True))
        better = [best[draft.id, draft.dialogue].words for draft in drafts]
        write_better(run.folder, drafts, better, sum(decode.nfe for decode in decodes))

    on_main_process(compare)
