"""The stage `checkpoint`: a diffusion model from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import torch
from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

from rediff.models.checkpoint import Checkpoint
from rediff.models.llada_v_config import PUBLISHED, model_config
from rediff.models.official import find_official
from rediff.models.prefix_attention import set_prefix_attention
from rediff.training.data import RecipeSettings
from rediff.training.stages.base import MODEL, Makes, Run, Stage, register_stage


@register_stage("checkpoint")
class CheckpointStage(Stage):
    """A diffusion checkpoint from elsewhere: `folder`, as `Checkpoint.load` reads it.

    `sha256`: of its weights, so that another checkpoint in the same folder is another stage.
    `prefix_attention`: from here on image and prompt do not see the response, whatever the
    checkpoint was trained with; a stage of its own should tune it to that first.
    """

    kind: Literal["checkpoint"] = "checkpoint"
    folder: str | None = None
    sha256: str | None = None
    prefix_attention: bool = False

    makes: ClassVar[Makes] = "model"
    alone: ClassVar[bool] = True
    draws: ClassVar[bool] = False

    def run(self, run: Run) -> None:
        """Raises ValueError if it is not a diffusion checkpoint."""
        assert self.folder is not None
        checkpoint = Checkpoint.load(Path(self.folder), dtype="stored")
        if checkpoint.config.kind != "diffusion":
            raise ValueError(f"{self.folder} is not a diffusion checkpoint")
        if self.prefix_attention:
            set_prefix_attention(checkpoint.model.config.get_text_config())
        checkpoint.with_config(canvas=run.recipe.canvas).save(run.folder / MODEL)

    def network(self, recipe: RecipeSettings) -> LlavaOnevisionForConditionalGeneration:
        """The network of the folder; LLaDA-V's published shape where none is named."""
        config = self._network_config()
        if self.prefix_attention:
            set_prefix_attention(config.get_text_config())
        with torch.device("meta"):
            return LlavaOnevisionForConditionalGeneration(config)

    def _network_config(self) -> LlavaOnevisionConfig:
        if self.folder is None:
            return model_config(PUBLISHED)
        folder = Path(self.folder)
        official = find_official(folder)
        if official is not None:
            return official.read_config(folder)
        return LlavaOnevisionConfig.from_pretrained(folder)


def checkpoint_folders(stages: Mapping[str, Stage]) -> list[str]:
    """The folders that the stages of kind `checkpoint` read, where they are known.

    Args:
        stages: of a recipe.
    """
    wanting = (stage for stage in stages.values() if isinstance(stage, CheckpointStage))
    return [stage.folder for stage in wanting if stage.folder]
