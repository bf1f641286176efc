"""What a recipe would take, before it takes it. Sums of what is known, none of it measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from transformers import AutoTokenizer, LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

from rediff.llm_client.prices import PICTURE_TOKENS, dollars, load_prices
from rediff.data.mixture import Mixture, mix, tokenizer_folder
from rediff.models import llada_v
from rediff.models.checkpoint import Checkpoint
from rediff.models.anyres import image_tokens
from rediff.training.collator import CanvasModel
from rediff.training.expert.server import Server
from rediff.training.lora import TARGETS
from rediff.training.optimisation import Optimisation
from rediff.training.recipe import Recipe
from rediff.training.settings import (
    CheckpointStage,
    DraftsStage,
    ExpertStage,
    PredictStage,
    RecordsStage,
    Stage,
    VisionStage,
)
from rediff.training.stages.learning import Learning
from rediff.training.stages.starting import tiny_checkpoint
from rediff.training.trainer import choose_trained, split_batch

SAMPLE = 200
"""Records that are read to see how long rows are."""
PICTURE, ANSWER, FRAME = (1000, 750), 200, 60
"""Where no data are named: a picture's size, an answer's tokens; and tokens of the chat format."""
EXPERT_IN, EXPERT_OUT = 500, 700
"""Tokens of an expert's prompt with both texts, and of its reply with some thought."""
Network = LlavaOnevisionForConditionalGeneration


@dataclass(frozen=True, slots=True)
class Row:
    """About how long a row is: all its tokens with those of its picture, and its canvas; and the
    same of the longest one."""

    tokens: int
    canvas: int
    most_tokens: int
    most_canvas: int


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """What one stage takes; None where it takes none or it cannot be told.

    `parameters`, `trained`: of the network. `tokens`: in all rows of all steps or passes. `memory`:
    bytes of one device. `calls`, `dollars`: of an expert's server.
    """

    stage: str
    kind: str
    steps: int | None = None
    parameters: int | None = None
    trained: int | None = None
    tokens: int | None = None
    memory: int | None = None
    hours: float | None = None
    calls: int | None = None
    dollars: float | None = None


def plan(recipe: Recipe, *, processes: int, tflops: float) -> list[PlannedStage]:
    """What each stage takes on `processes` devices that do `tflops` (10^12 operations a second).

    A recipe that starts from a checkpoint is planned with LLaDA-V's published shape where none is
    named, and with pictures and answers of a common size where no data are. Raises ValueError if a
    batch cannot be split over the processes.
    """
    with torch.device("meta"):
        tiny = tiny_checkpoint(recipe)
        network = _network(recipe, tiny)
    planner = _Planner(
        recipe, network, _row(recipe, network, tiny), processes, processes * tflops * 1e12 * 3600
    )
    return [planner.plan(name, stage) for name, stage in recipe.stages.items()]


@dataclass(frozen=True, slots=True)
class _Planner:
    """What the stages of a recipe have in common. `hourly`: operations an hour of all devices."""

    recipe: Recipe
    network: Network
    row: Row
    processes: int
    hourly: float

    def plan(self, name: str, stage: Stage) -> PlannedStage:
        if isinstance(stage, VisionStage):
            return PlannedStage(name, stage.kind, steps=stage.optimisation.steps)
        if isinstance(stage, Learning):
            return self._learning(name, stage)
        if isinstance(stage, DraftsStage):
            return self._drafts(name, stage)
        if isinstance(stage, ExpertStage) and stage.server is not None:
            return self._expert(name, stage, stage.server)
        return PlannedStage(name, stage.kind)

    def _learning(self, name: str, stage: Learning) -> PlannedStage:
        row = _on_canvas(self.row, stage.canvas) if isinstance(stage, PredictStage) else self.row
        settings = stage.optimisation
        tokens = settings.steps * settings.batch_size * row.tokens
        total, trained = count_parameters(self.network, settings)
        return PlannedStage(
            name, stage.kind, settings.steps, total, trained, tokens,
            memory_of(self.network, settings, row, self.processes),
            tokens * training_operations(self.network, settings, row) / self.hourly,
        )  # fmt: skip

    def _drafts(self, name: str, stage: DraftsStage) -> PlannedStage:
        passes = sum(self.recipe.canvas // budget for budget in stage.tokens_per_step)
        tokens = stage.pictures * len(stage.data) * passes * self.row.tokens
        return PlannedStage(
            name, stage.kind, passes, self.network.num_parameters(), tokens=tokens,
            hours=tokens * forward_operations(self.network, self.row) / self.hourly,
        )  # fmt: skip

    def _expert(self, name: str, stage: ExpertStage, server: Server) -> PlannedStage:
        drafts = self.recipe.stages[stage.drafts]
        assert isinstance(drafts, DraftsStage)
        calls = drafts.pictures * len(drafts.data) * len(drafts.tokens_per_step)
        tokens = calls * (PICTURE_TOKENS + EXPERT_IN), calls * EXPERT_OUT
        price = load_prices().get(server.model)
        cost = dollars(price, *tokens, batch=server.batch)
        return PlannedStage(name, stage.kind, calls=calls, dollars=cost)


def count_parameters(network: Network, settings: Optimisation) -> tuple[int, int]:
    """All parameters, and those that are trained; low-rank updates count among both."""
    total = network.num_parameters()
    if settings.lora is not None:
        layers = (m for name, m in network.named_modules() if re.fullmatch(TARGETS, name))
        updates = sum(settings.lora.rank * sum(layer.weight.shape) for layer in layers)
        return total + updates, updates
    whole = CanvasModel(network, causal=False)
    choose_trained(whole, settings)
    return total, sum(p.numel() for p in whole.parameters() if p.requires_grad)


def memory_of(network: Network, settings: Optimisation, row: Row, processes: int) -> int:
    """About the bytes that training takes on one device.

    Weights (4 bytes each, with low-rank updates those of the precision), gradients and Adam's two
    moments (4 and 8 bytes for each trained one; counted for Muon, too, which keeps one moment of
    matrices), shared out or whole; copies of the weights in the precision; each layer's input, and
    the inside of one layer (of all, without checkpointing) at 18 values a token and hidden unit;
    the canvas's logits with their gradient in float32. All of the longest row. What is shared out
    is gathered a layer at a time, but for embedding and head.
    """
    text: Any = network.config.text_config
    size = 2 if settings.precision == "bfloat16" else 4
    total, trained = count_parameters(network, settings)
    stored = size if settings.lora is not None else 4
    states = (total - trained) * stored + trained * 16
    if settings.shard:
        states = states // processes + 2 * text.vocab_size * text.hidden_size * 4
    cast = total * size if size < stored and not settings.shard else 0
    micro, _ = split_batch(settings, processes)
    inputs = text.num_hidden_layers * text.hidden_size * size
    inside = 18 * text.hidden_size * size
    inside *= 1 if settings.gradient_checkpointing else text.num_hidden_layers
    logits = row.most_canvas * text.vocab_size * (size + 8)
    return states + cast + micro * (row.most_tokens * (inputs + inside) + logits)


def forward_operations(network: Network, row: Row) -> float:
    """Operations of a forward pass for each token: two a weight, and those of attention.

    The tower sees about as many patches as the text model sees image tokens, so its weights are
    counted like the others.
    """
    text: Any = network.config.text_config
    weights = sum(p.numel() for n, p in network.named_parameters() if "embed" not in n)
    return 2.0 * weights + 4.0 * text.num_hidden_layers * text.hidden_size * row.tokens


def training_operations(network: Network, settings: Optimisation, row: Row) -> float:
    """The same of a training step: the backward pass takes two forward ones, or one where weights
    get no gradient (low-rank updates); checkpointing one more."""
    passes = 2 if settings.lora is not None else 3
    return forward_operations(network, row) * (passes + settings.gradient_checkpointing)


def _network(recipe: Recipe, tiny: Checkpoint) -> Network:
    """The network that the recipe starts from."""
    first = next((s for s in recipe.stages.values() if isinstance(s, CheckpointStage)), None)
    return tiny.model if first is None else Network(_config(first))


def _config(stage: CheckpointStage) -> LlavaOnevisionConfig:
    if stage.folder is None:
        return llada_v.model_config(llada_v.PUBLISHED)
    folder = Path(stage.folder)
    if llada_v.is_official(folder):
        return llada_v.read_config(folder)
    return LlavaOnevisionConfig.from_pretrained(folder)


def _row(recipe: Recipe, network: Network, tiny: Checkpoint) -> Row:
    """The mean row of the recipe's public data, or of its scenes."""
    sources = [s for s in recipe.stages.values() if isinstance(s, RecordsStage)]
    if not sources:
        prompt = len(tiny.prompt_ids()) - 1 + recipe.model.image_tokens
        return _on_canvas(Row(prompt, 0, prompt, 0), recipe.canvas)
    lengths = [*_lengths(sources[0], network)]
    texts, images = zip(*lengths, strict=True)
    canvas, most = (max(recipe.canvas, round(n) + 1) for n in (fmean(texts), max(texts)))
    return Row(
        FRAME + round(fmean(images)) + canvas, canvas, FRAME + max(images) + most, most
    )  # fmt: skip


def _lengths(stage: RecordsStage, network: Network) -> Iterator[tuple[int, int]]:
    """Tokens of the answers and of the picture, of some records."""
    config = network.config
    if stage.mixture is None:
        yield ANSWER, image_tokens(PICTURE, config)
        return
    path = Path(stage.mixture)
    mixture = Mixture.load(path)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder(mixture, path))
    for stored in islice(mix(mixture, tokenizer), SAMPLE):
        yield stored.tokens, image_tokens(stored.size, config)


def _on_canvas(row: Row, canvas: int | None) -> Row:
    if canvas is None:
        return row
    return Row(
        row.tokens - row.canvas + canvas, canvas,
        row.most_tokens - row.most_canvas + canvas, canvas,
    )  # fmt: skip
