"""Recipes: a whole training run as one strict YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rediff.models.tiny import TinyConfig
from rediff.models.weights import weights_hash
from rediff.suggest import explain, unknown
from rediff.training.losses import Weighting

RECIPES = Path(__file__).parent / "recipes"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Scenes(_Strict):
    """The embedded data: how many scenes, with how many captions each, from which seed."""

    train: int = 8000
    captions: int = 4
    seed: int = 0


class Optimisation(_Strict):
    """One optimisation run. `lr` is for hidden matrices, `other_lr` for everything else.

    `freeze`: modules of the model that are not trained. Updates of Muon and Adam do not shrink
    with the gradient, so at these rates a tower that has nothing to learn is soon scrambled.
    """

    steps: int
    batch_size: int = 64
    optimizer: Literal["muon", "adamw"] = "muon"
    lr: float = 0.02
    other_lr: float = 3e-3
    schedule: Literal["cosine", "constant_with_warmup"] = "cosine"
    warmup: float = 0.03
    max_grad_norm: float = 1.0
    freeze: tuple[str, ...] = ("vision_tower", "multi_modal_projector")
    save_every: int = 200


class _Stage(_Strict):
    """`start`, `drafts`, `corrections`, where a stage has them: the stages it reads from."""

    seed: int = 0


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


class PredictStage(_Stage):
    """Mask-prediction (or, from a causal model, next-token prediction) of true responses.

    `responses`: whole captions, or single sentences on a short canvas of `canvas` tokens, or
    such sentences all of one form. On those the picture's things are bound to their words within
    minutes; whole captions alone never get there.
    `facts_only`: mask only the words that state facts, so that grounding is learnt before style.
    `levels`, `power`: mask levels are lowest + (highest - lowest) * u ** power. `suffix_share`:
    see `mask_tokens`.
    """

    kind: Literal["predict"] = "predict"
    start: str
    causal: bool = False
    responses: Literal["captions", "sentences", "plain"] = "captions"
    canvas: int | None = None
    facts_only: bool = False
    levels: tuple[float, float] = (0.0, 1.0)
    power: float = 1.0
    suffix_share: float = 0.0
    weighting: Weighting = "uniform"
    optimisation: Optimisation


class ReviseStage(_Stage):
    """Stage I, foundational revision: masks, random tokens and false facts, and what is right.

    `loss_weights` by kind of position, 1 where none is given (see `total_loss`).
    """

    kind: Literal["revise"] = "revise"
    start: str
    syntax_rate: float = 0.1
    hallucination_rate: float = 0.1
    levels: tuple[float, float] = (0.0, 1.0)
    power: float = 1.0
    suffix_share: float = 0.0
    weighting: Weighting = "uniform"
    loss_weights: dict[str, float] = Field(default_factory=dict)
    optimisation: Optimisation


class DraftsStage(_Stage):
    """Drafts by a checkpoint with refinement on, the same pictures at every budget."""

    kind: Literal["drafts"] = "drafts"
    start: str
    sampler: str = "refine"
    tokens_per_step: tuple[int, ...]
    scenes: int
    batch_size: int = 32


class ExpertStage(_Stage):
    """An expert's corrections of drafts."""

    kind: Literal["expert"] = "expert"
    drafts: str
    expert: Literal["oracle"] = "oracle"


class CorrectStage(_Stage):
    """Stage II, online self-correction, on an expert's corrections of the model's own drafts.

    `stage1_share`: share of each batch that is Stage I data. `masked_share`: share of the drafts
    that are also partly masked, as they are on the way. `loss_weights` by kind: the paper trains
    on the corrected segments alone (`keep: 0`), which unlearns to leave alone what is right.
    """

    kind: Literal["correct"] = "correct"
    start: str
    corrections: str
    stage1_share: float = 0.25
    masked_share: float = 0.0
    suffix_share: float = 0.5
    syntax_rate: float = 0.1
    hallucination_rate: float = 0.1
    weighting: Weighting = "uniform"
    loss_weights: dict[str, float] = Field(default_factory=dict)
    optimisation: Optimisation


Stage = Annotated[
    CheckpointStage
    | VisionStage
    | PredictStage
    | ReviseStage
    | DraftsStage
    | ExpertStage
    | CorrectStage,
    Field(discriminator="kind"),
]


class Export(_Strict):
    """A stage's checkpoint shipped under its name, with the sampler it decodes with."""

    stage: str
    sampler: str = "mask-predict"


class Recipe(_Strict):
    """Stages by name, in an order in which each comes after those it needs."""

    canvas: int = 80
    scenes: Scenes = Scenes()
    model: TinyConfig = TinyConfig()
    stages: dict[str, Stage]
    export: dict[str, Export]

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Reads and checks a recipe file.

        Raises ValueError with the file's name: for broken YAML, an unknown key (the nearest right
        one is named), a wrong value, or a stage that needs one which does not come before it.
        """
        try:
            raw = yaml.safe_load(path.read_text())
            recipe = cls.model_validate(raw)
        except yaml.YAMLError as error:
            raise ValueError(f"{path}: not valid YAML: {error}") from error
        except ValidationError as error:
            raise ValueError(f"{path}: {explain(error, sorted(_field_names()))}") from error
        recipe.check(path)
        return recipe

    def check(self, path: Path) -> None:
        known: set[str] = set()
        for name, stage in self.stages.items():
            for need in needs(stage):
                if need not in known:
                    raise ValueError(
                        f"{path}: stage {name!r} needs {need!r}, which is not before it"
                    )
            known.add(name)
        for name, export in self.export.items():
            if export.stage not in known:
                raise ValueError(f"{path}: export {name!r} names no stage: {export.stage!r}")


def with_checkpoint(recipe: Recipe, folder: Path | None) -> Recipe:
    """The recipe, its `checkpoint` stages reading `folder`.

    Raises ValueError if the recipe wants a checkpoint and there is none, or the other way round.
    """
    wanting = {n: s for n, s in recipe.stages.items() if isinstance(s, CheckpointStage)}
    if not wanting and folder is not None:
        raise ValueError("this recipe starts from nothing: it takes no --checkpoint")
    if folder is None:
        missing = [name for name, stage in wanting.items() if stage.folder is None]
        if missing:
            raise ValueError(f"stage {missing[0]!r} of this recipe needs a --checkpoint FOLDER")
        return recipe
    own = {"folder": str(folder.resolve()), "sha256": weights_hash(folder)}
    changed = {name: stage.model_copy(update=own) for name, stage in wanting.items()}
    return recipe.model_copy(update={"stages": {**recipe.stages, **changed}})


def needs(stage: Stage) -> tuple[str, ...]:
    """Names of the stages whose folders `stage` reads."""
    fields = ("start", "drafts", "corrections")
    return tuple(getattr(stage, field) for field in fields if hasattr(stage, field))


def find_recipe(name: str) -> Path:
    """The file of a shipped recipe's name, or `name` itself where it is a file.

    Raises ValueError naming the nearest shipped recipe.
    """
    if Path(name).is_file():
        return Path(name)
    shipped = {path.stem: path for path in RECIPES.glob("*.yaml")}
    if name not in shipped:
        raise unknown("recipe", name, sorted(shipped))
    return shipped[name]


def _field_names() -> set[str]:
    kinds: list[Any] = [
        Recipe, Scenes, TinyConfig, Optimisation, Export, CheckpointStage, VisionStage,
        PredictStage, ReviseStage, DraftsStage, ExpertStage, CorrectStage,
    ]  # fmt: skip
    return {name for kind in kinds for name in kind.model_fields}
