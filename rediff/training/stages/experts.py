"""Experts: who says what is wrong with a draft and what it costs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rediff.scenes.corrupt import misremember
from rediff.scenes.oracle import changes, revise
from rediff.scenes.truth import true_texts
from rediff.training.drafts import (
    CORRECTIONS,
    COST,
    DRAFTS,
    Correction,
    Cost,
    Draft,
    read_lines,
    write_lines,
)
from rediff.training.items import Item, before_answer
from rediff.training.logs import Count
from rediff.training.distributed import alone
from rediff.training.settings import ExpertStage
from rediff.training.stages.drafting import Drafter, draft_all
from rediff.training.stages.run import Run
from rediff.training.stages.served_expert import correct_by_server

SELF = "self.jsonl"
BATCH = 32


def run_expert(stage: ExpertStage, run: Run) -> None:
    drafts = list(read_lines(run.root / stage.drafts / DRAFTS, Draft))
    items = run.items_of(drafts, stage.data, run.prompt_of(stage.drafts))
    if stage.expert == "self":
        _correct_by_self(stage, run, drafts, items)
    elif stage.server is not None:
        server, tokenizer = stage.server, run.start_of(stage.drafts)
        alone(lambda: correct_by_server(server, drafts, items, tokenizer, run.folder))
    else:
        alone(lambda: _correct_all(stage, run.folder, drafts, items))


def _correct_all(
    stage: ExpertStage, folder: Path, drafts: list[Draft], items: Mapping[str, Item]
) -> None:
    corrections = []
    with Count(folder, len(drafts)) as advance:
        for draft in drafts:
            corrections.append(correct_by_oracle(stage, draft, items[draft.id]))
            advance()
    _write(folder, corrections, Cost())


def correct_by_oracle(stage: ExpertStage, draft: Draft, item: Item) -> Correction:
    """The oracle's answer: the fewest changed tokens that make the draft a true one.

    A weak oracle remembers the scene wrongly, each draft's in its own way. Raises ValueError for a
    picture that is no scene.
    """
    if item.scene is None:
        raise ValueError(f"{item.id}: an oracle knows the embedded scenes alone")
    scene = item.scene
    if stage.expert == "weak":
        scene = misremember(scene, stage.error_rate, _generator(stage.seed, draft))
    outline = true_texts(scene, before_answer(item.dialogues[draft.dialogue]))
    return Correction.of(draft, revise(outline, draft.words))


def _generator(seed: int, draft: Draft) -> np.random.Generator:
    name = f"{seed} {draft.id} {draft.dialogue} {draft.tokens_per_step}"
    return np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))


def _correct_by_self(
    stage: ExpertStage, run: Run, drafts: list[Draft], items: Mapping[str, Item]
) -> None:
    """The model's own full-step decode as the right answer, position by position."""
    assert stage.start is not None
    drafter = Drafter(run.decoder(stage.start), stage.sampler, BATCH)
    wishes = dict.fromkeys((draft.id, draft.dialogue) for draft in drafts)
    asked = [(items[row_id], dialogue, 1) for row_id, dialogue in wishes]
    draft_all(drafter, asked, run.folder, run.folder / SELF)

    def compare() -> None:
        own = list(read_lines(run.folder / SELF, Draft))
        best = dict(zip(wishes, own, strict=True))
        corrections = [
            Correction.of(d, changes(d.words, best[d.id, d.dialogue].words)) for d in drafts
        ]
        _write(run.folder, corrections, Cost(nfe=sum(draft.nfe for draft in own)))

    alone(compare)


def _write(folder: Path, corrections: list[Correction], cost: Cost) -> None:
    write_lines(folder / CORRECTIONS, corrections)
    write_lines(folder / COST, [cost])
