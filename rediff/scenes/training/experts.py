"""Experts that know the scene: an oracle, and one that errs at a stated rate."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from rediff.scenes.corrupt import corrupt_scene
from rediff.scenes.oracle import revise
from rediff.scenes.truth import true_texts
from rediff.scenes.world import Scene
from rediff.training.distributed import on_main_process
from rediff.training.draft_records import Correction, Cost, Draft
from rediff.training.items import Item, before_answer
from rediff.training.logs import Count
from rediff.training.stages.base import Run
from rediff.training.stages.expert import ExpertStage, register_expert, write_corrections


@register_expert("oracle")
def correct_by_oracle(
    stage: ExpertStage, run: Run, drafts: Sequence[Draft], items: Mapping[str, Item]
) -> None:
    """The fewest changed tokens that make each draft a true text about its scene."""
    on_main_process(lambda: _correct_all(stage, run, drafts, items))


@register_expert("weak", field="error_rate")
def correct_by_weak_oracle(
    stage: ExpertStage, run: Run, drafts: Sequence[Draft], items: Mapping[str, Item]
) -> None:
    """The same about a scene in which each fact is wrong with probability `error_rate`, in
    another way for each draft."""
    on_main_process(lambda: _correct_all(stage, run, drafts, items))


def _correct_all(
    stage: ExpertStage, run: Run, drafts: Sequence[Draft], items: Mapping[str, Item]
) -> None:
    corrections = []
    with Count(run.folder, len(drafts)) as advance:
        for draft in drafts:
            corrections.append(correct(stage, draft, items[draft.id]))
            advance()
    write_corrections(run.folder, corrections, Cost())


def correct(stage: ExpertStage, draft: Draft, item: Item) -> Correction:
    """The oracle's correction of one draft. Raises ValueError for a picture that is not a scene."""
    if not isinstance(item.known, Scene):
        raise ValueError(f"{item.id}: the oracle knows only the embedded scenes")
    scene = item.known
    if stage.expert == "weak":
        scene = corrupt_scene(scene, stage.error_rate, _generator(stage.seed, draft))
    texts = true_texts(scene, before_answer(item.dialogues[draft.dialogue]))
    return Correction.of(draft, revise(texts, draft.words))


def _generator(seed: int, draft: Draft) -> np.random.Generator:
    name = f"{seed} {draft.id} {draft.dialogue} {draft.tokens_per_step}"
    return np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
