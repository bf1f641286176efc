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
from torch import nn
from transformers import AutoTokenizer, LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

from rediff.chat.prices import PICTURE_TOKENS, load_prices
from rediff.data.mixture import Mixture, mix, tokenizer_folder
from rediff.models import llada_v
from rediff.models.tiles import image_tokens
from rediff.training.batches import CanvasModel
from rediff.training.lora import TARGETS
from rediff.training.optimisation import Optimisation
from rediff.training.recipe import Recipe
from rediff.training.settings import (
    CheckpointStage,
    CorrectStage,
    DraftsStage,
    ExpertStage,
    PredictStage,
    RecordsStage,
    ReviseStage,
    Stage,
    VisionStage,
)
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
    network = _network(recipe)
    row = _row(recipe, network)
    return [
        _plan_stage(name, stage, recipe, network, row, processes, tflops)
        for name, stage in recipe.stages.items()
    ]


def _plan_stage(
    name: str, stage: Stage, recipe: Recipe, network: Network, row: Row, processes: int,
    tflops: float,
) -> PlannedStage:  # fmt: skip
    rate = processes * tflops * 1e12
    if isinstance(stage, VisionStage):
        return PlannedStage(name, stage.kind, steps=stage.optimisation.steps)
    if isinstance(stage, PredictStage | ReviseStage | CorrectStage):
        own = _on_canvas(row, stage.canvas) if isinstance(stage, PredictStage) else row
        settings = stage.optimisation
        tokens = settings.steps * settings.batch_size * own.tokens
        total, trained = count_parameters(network, settings)
        return PlannedStage(
            name, stage.kind, settings.steps, total, trained, tokens,
            memory_of(network, settings, own, processes),
            tokens * training_operations(network, settings, own) / rate / 3600,
        )  # fmt: skip
    if isinstance(stage, DraftsStage):
        passes = sum(recipe.canvas // budget for budget in stage.tokens_per_step)
        tokens = stage.pictures * passes * row.tokens
        hours = tokens * forward_operations(network, row) / rate / 3600
        return PlannedStage(
            name, stage.kind, passes, count_parameters(network)[0], tokens=tokens, hours=hours
        )
    if isinstance(stage, ExpertStage) and stage.server is not None:
        drafts = recipe.stages[stage.drafts]
        assert isinstance(drafts, DraftsStage)
        calls = drafts.pictures * len(drafts.tokens_per_step)
        price, server = load_prices().get(stage.server.model), stage.server
        tokens_in, tokens_out = calls * (PICTURE_TOKENS + EXPERT_IN), calls * EXPERT_OUT
        dollars = None
        if price is not None:
            dollars = price.dollars(tokens_in, tokens_out, batch=server.batch)
        return PlannedStage(name, stage.kind, calls=calls, dollars=dollars)
    return PlannedStage(name, stage.kind)


def count_parameters(network: nn.Module, settings: Optimisation | None = None) -> tuple[int, int]:
    """All parameters, and those that are trained; low-rank updates count among both."""
    total = sum(parameter.numel() for parameter in network.parameters())
    if settings is None:
        return total, 0
    if settings.lora is not None:
        layers = (m for name, m in network.named_modules() if re.fullmatch(TARGETS, name))
        updates = sum(settings.lora.rank * sum(layer.weight.shape) for layer in layers)
        return total + updates, updates
    whole = CanvasModel(network, causal=False)  # type: ignore[arg-type]
    choose_trained(whole, settings)
    return total, sum(p.numel() for p in whole.parameters() if p.requires_grad)


def memory_of(network: Network, settings: Optimisation, row: Row, processes: int) -> int:
    """About the bytes that training takes on one device.

    Weights (4 bytes each, with low-rank updates those of the precision), gradients and Adam's two
    moments (4 and 8 bytes for each trained one; Muon keeps one moment of matrices), shared out or
    whole; copies of the weights in the precision; each layer's input, and the inside of one layer
    (of all, without checkpointing) at 18 values a token and hidden unit; the canvas's logits with
    their gradient in float32. All of the longest row. What is shared out is gathered a layer at a
    time, but for embedding and head.
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


def _network(recipe: Recipe) -> Network:
    """The recipe's network without weights."""
    first = next((s for s in recipe.stages.values() if isinstance(s, CheckpointStage)), None)
    with torch.device("meta"):
        if first is None:
            return tiny_checkpoint(recipe).model
        return Network(_config(first))


def _config(stage: CheckpointStage) -> LlavaOnevisionConfig:
    if stage.folder is None:
        return llada_v.model_config(llada_v.PUBLISHED)
    folder = Path(stage.folder)
    if llada_v.is_official(folder):
        return llada_v.read_config(folder)
    return LlavaOnevisionConfig.from_pretrained(folder)


def _row(recipe: Recipe, network: Network) -> Row:
    """The mean row of the recipe's public data, or of its scenes."""
    sources = [s for s in recipe.stages.values() if isinstance(s, RecordsStage)]
    if not sources:
        checkpoint = tiny_checkpoint(recipe)
        image = checkpoint.card.image_tokens or 0
        prompt = len(checkpoint.prompt_ids()) - 1 + image
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
