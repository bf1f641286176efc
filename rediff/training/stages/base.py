"""Kinds of stages: their settings, inputs and outputs, how they run, and their cost."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from transformers import AutoTokenizer

from rediff.captioners.sources import pick_device
from rediff.data.store import RecordStore
from rediff.io.files import replace as replace_file
from rediff.models.checkpoint import Checkpoint
from rediff.models.config import Dtype, Kind, read_captioner_config
from rediff.plugins import TRAINING, Registry
from rediff.training.data import DATA, RecipeSettings
from rediff.training.distillation import drafts_as_answers
from rediff.training.distributed import on_main_process
from rediff.training.draft_records import DRAFTS, Draft, read_lines
from rediff.training.items import Item, RecordItems
from rediff.training.planning import Network, PlannedStage, Planner
from rediff.training.strict import Strict

MODEL = "model"
"""Folder of the checkpoint in the folder of a stage that makes one."""
TRUE_ANSWERS = "true-answers"
"""Begins the name of the file with the drafts of which a stage learns the true answer instead."""
Makes = Literal["model", "drafts", "corrections", "records"]
REFERENCES: Mapping[str, tuple[Makes, ...]] = {
    "start": ("model",),
    "stage": ("model",),
    "drafts": ("drafts",),
    "corrections": ("corrections",),
    "data": ("records", "drafts"),
}
"""The fields by which a stage or an export names stages, and the kinds of these stages' output."""
Data = tuple[str, ...]
"""The data of a stage: names of registered data, of `records` stages, or of stages that make
drafts, which are then the right answers (see `drafts_as_answers`). The rows of several are put
together."""


class Stage(Strict):
    """One stage of a recipe. A kind of stage is a subclass, registered by `register_stage`.

    `seed`: of everything that the stage draws. `start`, `drafts`, `corrections`, `data`: where a
    kind has these fields, they name the stages that it reads (see `REFERENCES`).
    """

    kind: str
    seed: int = 0

    makes: ClassVar[Makes] = "model"
    """The kind of output that other stages can read from its folder."""
    alone: ClassVar[bool] = False
    """Whether the first process runs it while the others wait."""
    draws: ClassVar[bool] = True
    """Whether its output depends on its seed."""
    needs_denoiser: ClassVar[bool] = False
    """Whether the models that it reads have to fill masks as they are."""
    further_samplers: ClassVar[tuple[str, ...]] = ()
    """Values of its `sampler` besides those that `find_sampler` finds."""

    def run(self, run: Run) -> None:
        """Makes the output in `run.folder`, in this process, or this process's part of it."""
        raise NotImplementedError

    @property
    def model_kind(self) -> Kind:
        """Of the model that the stage makes, if it makes one."""
        return "diffusion"

    def problem(self, recipe: RecipeParts) -> str | None:
        """The conflict of this stage with other parts of its recipe; None without one."""
        if not self.needs_denoiser:
            return None
        for field, name in references(self):
            is_model = REFERENCES[field] == ("model",)
            if is_model and recipe.stages[name].model_kind != "diffusion":
                return f"{name!r} is an autoregressive model, and this needs a diffusion model"
        return None

    def estimate(self, name: str, planner: Planner) -> PlannedStage:
        """The cost of the stage; not known by default."""
        return PlannedStage(name, self.kind)

    def network(self, recipe: RecipeSettings) -> Network | None:
        """The network that a stage without predecessors starts with, on the meta device."""
        return None


STAGES = Registry[type[Stage]]("kind of stage", TRAINING)


def register_stage(kind: str) -> Callable[[type[Stage]], type[Stage]]:
    """Registers a kind of stage under the `kind` that recipes call it by."""
    return STAGES.register(kind)


def references(part: Any) -> Iterator[tuple[str, str]]:
    """The fields by which a stage or an export names stages, each with a name that it holds."""
    for field in REFERENCES:
        named = getattr(part, field, None) or ()
        for name in (named,) if isinstance(named, str) else named:
            if field != "data" or name not in DATA:
                yield field, name


def needs(stage: Stage) -> tuple[str, ...]:
    """Names of the stages whose folders a stage reads."""
    return tuple(name for _, name in references(stage))


def data_of(stage: Stage) -> Data:
    """The data that a stage learns from, or writes about; empty where a kind takes no data."""
    return getattr(stage, "data", ())


class RecipeParts(RecipeSettings, Protocol):
    """The part of a recipe that a stage sees."""

    @property
    def stages(self) -> Mapping[str, Stage]: ...


@dataclass(frozen=True, slots=True)
class Run:
    """A recipe under way: `root` holds the folders of its stages, `folder` is that of this one."""

    recipe: RecipeParts
    root: Path
    folder: Path

    def checkpoint(self, stage: str, *, dtype: Dtype) -> Checkpoint:
        """The model that a stage made."""
        return Checkpoint.load(self.root / stage / MODEL, dtype=dtype)

    def decoder(self, stage: str) -> Checkpoint:
        """The same for decoding: on a GPU if there is one, in the precision of its config."""
        return Checkpoint.load(self.root / stage / MODEL, device=pick_device())

    def prompt_of(self, drafts: str) -> str:
        """The prompt that asked for the captions among a stage's drafts."""
        return read_captioner_config(self.start_of(drafts)).prompt

    def start_of(self, drafts: str) -> Path:
        """The folder of the checkpoint that wrote a stage's drafts."""
        return self.root / str(getattr(self.recipe.stages[drafts], "start")) / MODEL  # noqa: B009

    def items(self, name: str, prompt: str, *, seed: int = 0) -> Sequence[Item]:
        """The training data of that name. `prompt`: the request for a caption."""
        if name in DATA:
            return DATA[name].items(self.recipe, self.root, prompt, seed)
        if self.recipe.stages[name].makes == "records":
            return RecordItems(RecordStore(self.root / name), prompt)
        drafts = list(read_lines(self.root / name / DRAFTS, Draft))
        items = self.items_of(drafts, data_of(self.recipe.stages[name]), prompt)
        tokenizer = AutoTokenizer.from_pretrained(self.start_of(name))
        answered, kept = drafts_as_answers(drafts, items, tokenizer)
        lines = [f"{draft}: {reason}\n" for reason, ids in kept.items() for draft in ids]
        if lines:
            path = self.folder / f"{TRUE_ANSWERS}-{name}.txt"
            on_main_process(lambda: replace_file(path, "".join(lines)))
        return answered

    def keeps(self, name: str) -> bool:
        """Whether the pictures of data of that name are small enough to be kept in memory."""
        return bool(self.registered([name]))

    def registered(self, data: Sequence[str]) -> tuple[str, ...]:
        """The registered data that some data are, or are answers to the pictures of."""
        names = [
            (name,) if name in DATA else self.registered(data_of(self.recipe.stages[name]))
            for name in data
        ]
        return tuple(itertools.chain.from_iterable(names))

    def items_of(
        self, drafts: Iterable[Draft], data: Sequence[str], prompt: str
    ) -> dict[str, Item]:
        """The items that drafts are about, by their ids.

        Raises ValueError naming a draft whose picture is not among `data`.
        """
        wanted = {draft.id for draft in drafts}
        found = {
            item.id: item for name in data for item in self.items(name, prompt) if item.id in wanted
        }
        if missing := wanted - found.keys():
            raise ValueError(f"no picture {min(missing)!r} in the training data")
        return found
