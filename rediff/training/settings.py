"""Settings of a training run and its stages, strict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rediff.training.expert.server import Server
from rediff.training.losses import Weighting
from rediff.training.optimisation import Optimisation
from rediff.training.strict import Strict


class Scenes(Strict):
    """The embedded data: how many scenes, with how many captions and questions each, from which
    seed. Only where there are questions does a model made from nothing know their words."""

    train: int = 8000
    captions: int = 4
    questions: int = 0
    seed: int = 0


class _Stage(Strict):
    """`start`, `drafts`, `corrections`, where a stage has them: the stages it reads from."""

    seed: int = 0


EMBEDDED = ("captions", "sentences", "plain", "questions")
LossWeights = dict[
    Literal["mask", "syntax", "hallucination", "clean", "edit", "keep"],
    Annotated[float, Field(ge=0)],
]
Data = tuple[str, ...]
"""What a stage learns from: `captions`, `sentences`, `plain` or `questions` of the embedded scenes,
or names of `records` stages. The rows of several are put together."""


class RecordsStage(_Stage):
    """Public data: what a mixture's specification names, checked and kept in order.

    `mixture`: its file. `sha256`: of that and of all its data files.
    """

    kind: Literal["records"] = "records"
    mixture: str | None = None
    sha256: str | None = None


class CheckpointStage(_Stage):
    """A diffusion checkpoint from elsewhere: `folder`, as `Checkpoint.load` reads it.

    `sha256`: of its weights, so that another checkpoint in the same folder is another stage.
    """

    kind: Literal["checkpoint"] = "checkpoint"
    folder: str | None = None
    sha256: str | None = None


class VisionStage(_Stage):
    """Aligns tower, projector and word embeddings; stands for a pretrained SigLIP."""

    kind: Literal["vision"] = "vision"
    optimisation: Optimisation

    @model_validator(mode="after")
    def _whole(self) -> VisionStage:
        if self.optimisation.shard:
            raise ValueError("a vision stage takes no 'shard': its model is small")
        return self


class PredictStage(_Stage):
    """Mask-prediction (or, from a causal model, next-token prediction) of true responses.

    `data`: whole captions, or single sentences on a short canvas of `canvas` tokens, or such
    sentences all of one form (`plain`). On those the picture's things are bound to their words
    within minutes; whole captions alone never get there. `longest`: of a longer answer's own
    canvas, in tokens.
    `facts_only`: mask only the words that state facts, so that grounding is learnt before style.
    `levels`, `power`: mask levels are lowest + (highest - lowest) * u ** power. `suffix_share`:
    see `mask_tokens`.
    """

    kind: Literal["predict"] = "predict"
    start: str
    causal: bool = False
    data: Data = ("captions",)
    canvas: int | None = None
    longest: int | None = None
    facts_only: bool = False
    levels: tuple[float, float] = (0.0, 1.0)
    power: float = 1.0
    suffix_share: float = 0.0
    weighting: Literal["uniform", "paper"] = "uniform"
    optimisation: Optimisation


class ReviseStage(_Stage):
    """Stage I, foundational revision: masks, random tokens and false facts, and what is right.

    `loss_weights` by kind of position, 1 where none is given (see `weights_of`). `tied`: both
    rates grow with the mask level (see `Revise`). `longest`: see `PredictStage`.
    """

    kind: Literal["revise"] = "revise"
    start: str
    data: Data = ("captions",)
    longest: int | None = None
    tied: bool = False
    syntax_rate: float = 0.1
    hallucination_rate: float = 0.1
    levels: tuple[float, float] = (0.0, 1.0)
    power: float = 1.0
    suffix_share: float = 0.0
    weighting: Weighting = "uniform"
    loss_weights: LossWeights = Field(default_factory=dict)
    optimisation: Optimisation


class DraftsStage(_Stage):
    """Drafts by a checkpoint with refinement on, the same pictures at every budget.

    `pictures`: how many, the first of each of the data. Of a picture's questions, one is asked.
    """

    kind: Literal["drafts"] = "drafts"
    start: str
    data: Data = ("captions",)
    sampler: str = "refine"
    tokens_per_step: tuple[Annotated[int, Field(gt=0)], ...]
    pictures: int
    batch_size: int = Field(default=32, gt=0)


class ExpertStage(_Stage):
    """An expert's corrections of drafts.

    `oracle`: knows the scene. `weak`: an oracle about a scene in which each fact is misremembered
    with probability `error_rate`. `self`: no expert; the full-step decode of `start` by `sampler`
    is the target. `server`: a model behind a server, shown the picture, its right answer and the
    draft. It is asked by one process, so start such a stage alone, not by torchrun.
    """

    kind: Literal["expert"] = "expert"
    drafts: str
    data: Data = ("captions",)
    expert: Literal["oracle", "weak", "self", "server"] = "oracle"
    server: Server | None = None
    error_rate: float = 0.0
    start: str | None = None
    sampler: str = "refine"

    @model_validator(mode="after")
    def _whole(self) -> ExpertStage:
        for expert, field in (("self", "start"), ("weak", "error_rate"), ("server", "server")):
            if bool(getattr(self, field)) != (self.expert == expert):
                raise ValueError(f"{field!r} belongs to the expert {expert!r} and to no other")
        return self


class CorrectStage(_Stage):
    """Stage II, online self-correction, on an expert's corrections of the model's own drafts.

    `corrections`: a stage of an expert's, or none: then the drafts are those of `data`.
    `stage1_share`: share of each batch that is Stage I data. `masked_share`: share of the drafts
    that are also partly masked, as they are on the way. `loss_weights` by kind: the paper trains
    on the corrected segments alone (`keep: 0`), which unlearns to leave alone what is right.
    """

    kind: Literal["correct"] = "correct"
    start: str
    corrections: str | None = None
    data: Data = ("captions",)
    longest: int | None = None
    stage1_share: float = 0.25
    masked_share: float = 0.0
    suffix_share: float = 0.5
    syntax_rate: float = 0.1
    hallucination_rate: float = 0.1
    loss_weights: LossWeights = Field(default_factory=dict)
    optimisation: Optimisation

    @model_validator(mode="after")
    def _ungrouped(self) -> CorrectStage:
        if self.corrections is not None and self.optimisation.group_by_length:
            raise ValueError("'group_by_length' groups data, and not 'corrections' of drafts")
        return self


Stage = Annotated[
    CheckpointStage
    | RecordsStage
    | VisionStage
    | PredictStage
    | ReviseStage
    | DraftsStage
    | ExpertStage
    | CorrectStage,
    Field(discriminator="kind"),
]


class Export(Strict):
    """A stage's checkpoint shipped under its name, with the sampler it decodes with."""

    stage: str
    sampler: str = "mask-predict"


_MODELS = ("checkpoint", "vision", "predict", "revise", "correct")
MAKERS = {
    "start": _MODELS, "stage": _MODELS, "drafts": ("drafts",), "corrections": ("expert",),
    "data": ("records",),
}  # fmt: skip
"""Kinds of stages that make what a field names."""


def references(part: Stage | Export) -> Iterator[tuple[str, str]]:
    """The fields by which a stage or an export names stages, each with a name it holds."""
    for field in MAKERS:
        named = getattr(part, field, None) or ()
        for name in (named,) if isinstance(named, str) else named:
            if field != "data" or name not in EMBEDDED:
                yield field, name


def needs(stage: Stage) -> tuple[str, ...]:
    """Names of the stages whose folders `stage` reads."""
    return tuple(name for _, name in references(stage))
