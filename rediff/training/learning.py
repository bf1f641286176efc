"""Parts that all stages with optimisation steps share: their rows, the training, the estimate."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, cast

from pydantic import Field
from torch.utils.data import ConcatDataset

from rediff.io.files import replace as replace_file
from rediff.models.anyres import image_tokens
from rediff.models.causal import is_causal, set_causal
from rediff.models.checkpoint import Checkpoint
from rediff.models.config import Dtype
from rediff.models.error_logit import set_error_logit
from rediff.models.prefix_attention import under_prefix_attention
from rediff.training.collator import CaptionerForTraining, Collator
from rediff.training.corruption import TokenRole
from rediff.training.data import DATA
from rediff.training.data_order import Rows
from rediff.training.distributed import on_main_process
from rediff.training.estimate import estimate_learning
from rediff.training.examples import Example, ExampleMaker, Examples
from rediff.training.held_out import HELD_OUT, hold_out, write_held_out
from rediff.training.items import Item, RecordItems
from rediff.training.lora import add_lora
from rediff.training.losses import ErrorLoss, Weighting
from rediff.training.objectives import Objective
from rediff.training.optimisation import Optimisation
from rediff.training.planning import PlannedStage, Planner, RowSize
from rediff.training.self_drafts import SelfDrafts
from rediff.training.sharding import gather_weights
from rediff.training.stages.base import MODEL, Data, Run, Stage
from rediff.training.trainer import RevisionTrainer, fit
from rediff.training.validation import Validation

LEFT_OUT = "left-out"
MOST_LEFT_OUT = 0.01
"""Share of the records that a stage may leave out because their answers are too long for it."""
LossWeights = dict[
    Literal["mask", "syntax", "hallucination", "clean", "edit", "keep"],
    Annotated[float, Field(ge=0)],
]


class LearningStage(Stage):
    """A stage that trains a checkpoint.

    `start`: the stage that made it. `data`: its training data. `longest`: an answer that is
    longer than the canvas has a canvas of its own size, up to this many tokens. `validation`: the
    held-out part of the data, if any.
    """

    start: str
    data: Data = ("captions",)
    longest: int | None = None
    validation: Validation | None = None
    optimisation: Optimisation

    def load_start(self, run: Run) -> Checkpoint:
        """The checkpoint to train; weights that only take low-rank updates need not be precise.

        A checkpoint of another kind than the stage makes is turned into it. The weights stay; a
        denoiser's attention goes both ways, and a position's logits are of its own token instead of
        the next.
        """
        settings = self.optimisation
        dtype: Dtype = settings.precision if settings.lora else "float32"
        start = run.checkpoint(self.start, dtype=dtype)
        causal = self.model_kind == "autoregressive"
        if is_causal(start.model) == causal:
            return start
        set_causal(start.model.model.language_model.config, causal)
        return start.with_config(kind=self.model_kind)

    def estimate(self, name: str, planner: Planner) -> PlannedStage:
        return estimate_learning(
            name,
            self.kind,
            self.optimisation,
            planner,
            self.row(planner),
            draft_passes=self.draft_passes,
        )

    @property
    def draft_passes(self) -> int:
        """Forward passes that drafts take in each step."""
        return 0

    def row(self, planner: Planner) -> RowSize:
        """The mean size of a row."""
        return planner.row


class LearningRows(NamedTuple):
    """The training rows, their lengths in tokens where they are grouped by them, and the rows held
    out for validation."""

    learnt: Rows[Example]
    lengths: Sequence[int] | None = None
    held: Rows[Example] | None = None


def train_checkpoint(
    stage: LearningStage,
    run: Run,
    checkpoint: Checkpoint,
    objective: Objective,
    rows: LearningRows,
    *,
    weights: LossWeights | None = None,
    weighting: Weighting = "uniform",
    prefix_attention: bool = False,
    self_drafts: SelfDrafts | None = None,
    error_weight: float = 0.0,
) -> None:
    """Trains a checkpoint on rows and saves it in the stage's folder.

    Args:
        stage: how it is trained.
        run: the recipe and the folder.
        checkpoint: trained in place.
        objective: corrupts a batch and says its targets.
        rows: the examples.
        weights: of the parts of the loss, by the lower-case name of a `TokenRole`; 1 where none is.
        weighting: of the masked part, see `loss_sums`.
        prefix_attention: image and prompt do not see the response while it is trained.
        self_drafts: words of the model itself in place of random ones; None for none.
        error_weight: of the loss by which it learns to detect errors, see `ErrorLoss`; a model
            that is trained without it no longer detects them.

    Raises:
        NotFiniteError: for a loss or a gradient that is not finite.
    """
    settings, network = stage.optimisation, checkpoint.model
    if settings.gradient_checkpointing:
        network.gradient_checkpointing_enable({"use_reentrant": False})
    bfloat16 = settings.precision == "bfloat16"
    trained = CaptionerForTraining(network, causal=is_causal(network), bfloat16=bfloat16)
    updates = None if settings.lora is None else add_lora(network, settings.lora, seed=stage.seed)
    set_error_logit(network, error_weight > 0)
    by_role = {TokenRole[name.upper()]: weight for name, weight in (weights or {}).items()}
    with under_prefix_attention(network) if prefix_attention else nullcontext():
        fit(
            RevisionTrainer,
            trained,
            rows.learnt,
            Collator(objective),
            settings,
            run.folder,
            seed=stage.seed,
            weighting=weighting,
            lengths=rows.lengths,
            held=rows.held,
            validation=stage.validation,
            weights=by_role,
            self_drafts=self_drafts,
            errors=ErrorLoss(checkpoint.ids.mask, error_weight) if error_weight else None,
        )
    if updates is not None:
        updates.merge_and_unload()
    whole = gather_weights(network) if settings.shard else None
    on_main_process(lambda: checkpoint.save(run.folder / MODEL, weights=whole))


def rows_of_data(
    stage: LearningStage,
    run: Run,
    checkpoint: Checkpoint,
    maker: ExampleMaker,
    make: Callable[[Item], Example],
) -> LearningRows:
    """The rows of all data that a stage learns from, or holds out.

    Args:
        stage: names the data and says whether rows are grouped by length.
        run: the recipe and the folder.
        checkpoint: whose prompt asks for captions.
        maker: measures answers on the canvas.
        make: makes a row of an item.

    Raises:
        ValueError: as `fitting` and `hold_out`.
    """
    prompt = checkpoint.config.prompt
    learnt = {name: run.items(name, prompt, seed=stage.seed) for name in stage.data}
    learnt |= {  # registered data are of the recipe's own canvas
        name: fitting(items, maker, run.folder / f"{LEFT_OUT}-{name}.txt")
        for name, items in learnt.items()
        if name not in DATA
    }

    def rows(items: Mapping[str, Sequence[Item]]) -> Rows[Example]:
        parts = [Examples(own, make, keep=run.keeps(name)) for name, own in items.items()]
        return cast("Rows[Example]", ConcatDataset(parts))

    held = None
    if stage.validation is not None:
        parts = hold_out(list(learnt.values()), stage.validation.share)
        kept = {name: own for name, (_, own) in zip(learnt, parts, strict=True) if own}
        learnt = {name: own for name, (own, _) in zip(learnt, parts, strict=True) if own}
        every = itertools.chain.from_iterable(kept.values())
        on_main_process(lambda: write_held_out(run.folder / HELD_OUT, every, prompt))
        held = rows(kept)
    lengths = None
    if stage.optimisation.group_by_length:
        lengths = [length for own in learnt.values() for length in _lengths(own, checkpoint)]
    return LearningRows(rows(learnt), lengths, held)


def fitting(items: Sequence[Item], maker: ExampleMaker, left_out: Path) -> Sequence[Item]:
    """The items whose answers fit in the canvas, checked before the first step.

    Args:
        items: of some data.
        maker: measures answers.
        left_out: a file for the ids of the others, one a line; none is written where all fit.

    Raises:
        ValueError: naming the first of these if they are more than `MOST_LEFT_OUT` of all.
    """
    if isinstance(items, RecordItems):
        fits = [
            stored.tokens < maker.most or maker.fits(item.dialogues)
            for stored, item in zip(items.store, items, strict=True)
        ]
    else:
        fits = [maker.fits(item.dialogues) for item in items]
    lost = [item.id for item, good in zip(items, fits, strict=True) if not good]
    if len(lost) > MOST_LEFT_OUT * len(items):
        raise ValueError(
            f"{len(lost)} of {len(items)} records have an answer that leaves no room to stop within"
            f" {maker.most} tokens ({MOST_LEFT_OUT:.0%} are allowed); the first: {lost[0]}"
        )
    if not lost:
        return items
    names = "".join(f"{name}\n" for name in lost)
    on_main_process(lambda: replace_file(left_out, names))
    numbers = [number for number, good in enumerate(fits) if good]
    return items.only(numbers) if isinstance(items, RecordItems) else [items[n] for n in numbers]


def _lengths(items: Sequence[Item], checkpoint: Checkpoint) -> list[int]:
    """Tokens of each item, text and picture; those of all but stored records count as alike."""
    if not isinstance(items, RecordItems):
        return [0] * len(items)
    config = checkpoint.model.config
    chosen = (items.store[number] for number in items.numbers)
    return [stored.tokens + image_tokens(stored.size, config) for stored in chosen]
