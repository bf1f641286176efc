"""Estimates the cost of a recipe: computed, not measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from transformers import AutoTokenizer

from rediff.data.mixture import Mixture, is_listing, mix, tokenizer_folder
from rediff.models.anyres import image_tokens
from rediff.training.collator import CaptionerForTraining
from rediff.training.lora import TARGETS
from rediff.training.optimisation import Optimisation
from rediff.training.planning import Network, PlannedStage, Planner, RowSize
from rediff.training.recipe import Recipe
from rediff.training.trainer import choose_trained
from rediff.training.trainer_arguments import split_batch

SAMPLE = 200
"""Records that are read to see how long rows are."""
PICTURE, ANSWER, FRAME = (1000, 750), 200, 60
"""Where no data are named: a picture's size, an answer's tokens; and tokens of the chat format."""


def plan(recipe: Recipe, *, processes: int, tflops: float) -> list[PlannedStage]:
    """The cost of each stage of a recipe.

    A recipe that starts from a checkpoint is planned with LLaDA-V's published shape where none is
    named, and with pictures and answers of a common size where no data are.

    Args:
        recipe: nothing of it is run.
        processes: how many devices.
        tflops: the speed of one device, in 10^12 operations a second.

    Raises:
        ValueError: if a batch cannot be split over the processes.
    """
    networks = (stage.network(recipe) for stage in recipe.stages.values())
    network = next((network for network in networks if network is not None), None)
    assert network is not None, "a recipe has a stage that starts"
    hourly = processes * tflops * 1e12 * 3600
    row = _row(recipe, network)
    planner = Planner(recipe.canvas, recipe.stages, network, row, processes, hourly)
    return [stage.estimate(name, planner) for name, stage in recipe.stages.items()]


def estimate_learning(
    name: str,
    kind: str,
    settings: Optimisation,
    planner: Planner,
    row: RowSize,
    *,
    draft_passes: int = 0,
) -> PlannedStage:
    """The cost of an optimisation on rows of a size.

    Args:
        name: of the stage.
        kind: of the stage.
        settings: of the optimisation.
        planner: what the stages have in common.
        row: the size.
        draft_passes: forward passes that drafts take in each step.
    """
    tokens = settings.steps * settings.batch_size * row.tokens
    each = training_operations(planner.network, settings, row)
    each += draft_passes * forward_operations(planner.network, row)
    total, trained = count_parameters(planner.network, settings)
    return PlannedStage(
        name,
        kind,
        settings.steps,
        total,
        trained,
        tokens,
        memory_of(planner.network, settings, row, planner.processes),
        tokens * each / planner.hourly,
    )


def estimate_decoding(
    name: str, kind: str, planner: Planner, passes: int, tokens: int
) -> PlannedStage:
    """The cost of decoding.

    Args:
        name: of the stage.
        kind: of the stage.
        planner: what the stages have in common.
        passes: of each response.
        tokens: in all passes of all responses.
    """
    return PlannedStage(
        name,
        kind,
        passes,
        planner.network.num_parameters(),
        tokens=tokens,
        hours=tokens * forward_operations(planner.network, planner.row) / planner.hourly,
    )


def count_parameters(network: Network, settings: Optimisation) -> tuple[int, int]:
    """All parameters, and those that are trained; low-rank updates count among both."""
    total = network.num_parameters()
    if settings.lora is not None:
        layers = (m for name, m in network.named_modules() if re.fullmatch(TARGETS, name))
        updates = sum(settings.lora.rank * sum(layer.weight.shape) for layer in layers)
        return total + updates, updates
    whole = CaptionerForTraining(network, causal=False)
    choose_trained(whole, settings)
    return total, sum(p.numel() for p in whole.parameters() if p.requires_grad)


def memory_of(network: Network, settings: Optimisation, row: RowSize, processes: int) -> int:
    """The approximate bytes that training takes on one device.

    The sum of: weights (4 bytes each, with low-rank updates those of the precision); gradients and
    Adam's two moments (4 and 8 bytes for each trained weight; counted for Muon too, which keeps one
    moment of matrices), sharded or whole; copies of the weights in the precision; the input of each
    layer, and the inside of one layer (of all, without checkpointing) at 18 values a token and
    hidden unit; the canvas's logits with their gradient in float32. Sharded weights are gathered a
    layer at a time, except embedding and head.

    Args:
        network: shape of the model.
        settings: of the optimisation.
        row: size of the rows, of which the longest counts.
        processes: devices.
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


def forward_operations(network: Network, row: RowSize) -> float:
    """Operations of a forward pass for each token: 2 N + 4 L D T.

    N weights without embeddings, L layers of D hidden units, T tokens. The tower sees about as many
    patches as the text model sees image tokens, so its weights are counted like the others.

    Args:
        network: gives N, L and D.
        row: gives T.
    """
    text: Any = network.config.text_config
    weights = sum(p.numel() for n, p in network.named_parameters() if "embed" not in n)
    return 2.0 * weights + 4.0 * text.num_hidden_layers * text.hidden_size * row.tokens


def training_operations(network: Network, settings: Optimisation, row: RowSize) -> float:
    """Operations of a training step for each token.

    The backward pass takes two forward passes, or one where weights get no gradient (low-rank
    updates); checkpointing takes one more.
    """
    passes = 2 if settings.lora is not None else 3
    return forward_operations(network, row) * (passes + settings.gradient_checkpointing)


def _row(recipe: Recipe, network: Network) -> RowSize:
    """The mean row of the recipe's public data, or of its registered data."""
    sources = [s for s in recipe.stages.values() if s.makes == "records"]
    if not sources:
        section = next(iter(recipe.sections.values()))
        prompt = section.prompt_tokens(recipe)
        return RowSize(prompt, 0, prompt, 0).on_canvas(recipe.canvas)
    mixture, tokenizer = (getattr(sources[0], name) for name in ("mixture", "tokenizer"))
    texts, images = zip(*_lengths(mixture, tokenizer, network), strict=True)
    canvas, most = (max(recipe.canvas, round(n) + 1) for n in (fmean(texts), max(texts)))
    tokens = FRAME + round(fmean(images)) + canvas
    return RowSize(tokens, canvas, FRAME + max(images) + most, most)


def _lengths(
    mixture_file: str | None, tokenizer_name: str, network: Network
) -> Iterator[tuple[int, int]]:
    """Tokens of the answers and of the picture, for some records; a common size where no data are
    named, or no tokenizer for a list of pictures."""
    config = network.config
    if mixture_file is None or (is_listing(Path(mixture_file)) and not tokenizer_name):
        yield ANSWER, image_tokens(PICTURE, config)
        return
    path = Path(mixture_file)
    mixture = Mixture.load(path, tokenizer_name)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder(mixture, path))
    for stored in islice(mix(mixture, tokenizer), SAMPLE):
        yield stored.tokens, image_tokens(stored.size, config)
