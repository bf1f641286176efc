"""transformers' Trainer with the losses and the optimiser of this project."""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    LlavaOnevisionForConditionalGeneration,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from rediff.models.denoiser import image_features, padding, splice
from rediff.models.pictures import Pictures
from rediff.models.tiny import is_causal
from rediff.training.corruption import Kind
from rediff.training.losses import Weighting, loss_parts, total_loss
from rediff.training.muon import Muon
from rediff.training.recipe import Optimisation

LOG = "log.jsonl"
STATE = "trainer"
LOG_EVERY = 10
NOT_HIDDEN = ("embed_tokens", "position_embedding", "lm_head")


class OwnOptimizerTrainer(Trainer):
    """A Trainer for models that return their own loss, with `build_optimizer`'s optimiser."""

    def __init__(self, model: nn.Module, *, optimisation: Optimisation, **kwargs: Any) -> None:
        super().__init__(model, **kwargs)
        self.network = model
        self.optimisation = optimisation

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            self.optimizer = build_optimizer(self.network, self.optimisation)
        return self.optimizer


class RevisionTrainer(OwnOptimizerTrainer):
    """Takes the loss of an `Objective`'s batches: a sum of means per kind of position."""

    def __init__(
        self,
        model: LlavaOnevisionForConditionalGeneration,
        *,
        weights: Mapping[Kind, float],
        weighting: Weighting,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, **kwargs)
        self.causal = is_causal(model)
        self.weights = weights
        self.weighting = weighting
        self.parts: defaultdict[str, list[float]] = defaultdict(list)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        target, kind, level = (inputs[name] for name in ("target", "kind", "level"))
        logits = canvas_logits(model, inputs, causal=self.causal)
        parts = loss_parts(logits, target, kind, level, weighting=self.weighting)
        for name, part in parts.items():
            self.parts[f"loss_{name.name.lower()}"].append(part.item())
        return total_loss(parts, self.weights)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        means = {name: sum(values) / len(values) for name, values in self.parts.items()}
        self.parts.clear()
        super().log({**logs, **means}, start_time)


def canvas_logits(model: nn.Module, inputs: Mapping[str, Any], *, causal: bool) -> Tensor:
    """Logits [B, R, V] at the canvas positions of a batch made by `collate_inputs`.

    A causal model predicts each token at the position before it.
    """
    inner: Any = model.module if hasattr(model, "module") else model
    pictures = Pictures(*(inputs[name] for name in ("tiles", "counts", "sizes")))
    tokens = inputs["tokens"]
    sequences = [[*inputs["prompt"], *row] for row in tokens.tolist()]
    inside = splice(inner, sequences, image_features(inner, pictures))
    logits = model(
        inputs_embeds=inside.embeddings,
        logits_to_keep=tokens.size(1) + 1,
        use_cache=False,
        **padding(inside.lengths, inside.embeddings.size(1)),
    ).logits
    return logits[:, :-1] if causal else logits[:, 1:]


def build_optimizer(model: nn.Module, settings: Optimisation) -> torch.optim.Optimizer:
    """Muon or AdamW; hidden matrices at `lr`, embeddings, head, norms and biases at `other_lr`."""
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    is_matrix = {
        name: p.ndim >= 2 and not any(part in name for part in NOT_HIDDEN) for name, p in trained
    }
    matrices = [p for name, p in trained if is_matrix[name]]
    others = [p for name, p in trained if not is_matrix[name]]
    if settings.optimizer == "muon":
        return Muon(matrices, others, lr=settings.lr, other_lr=settings.other_lr)
    groups: list[dict[str, Any]] = [
        {"params": matrices},
        {"params": others, "lr": settings.other_lr},
    ]
    return torch.optim.AdamW(groups, lr=settings.lr, betas=(0.9, 0.95), weight_decay=0.0)


class JsonLog(TrainerCallback):
    """Appends every log entry to a file as one JSON line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.started = time.perf_counter()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        entry = {
            "step": state.global_step,
            "steps": state.max_steps,
            "seconds": round(time.perf_counter() - self.started, 1),
            **{name: round(float(value), 5) for name, value in logs.items()},
        }
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


def fit(
    trainer: type[OwnOptimizerTrainer],
    model: nn.Module,
    rows: torch.utils.data.Dataset[Any],
    collate: Callable[[Sequence[Any]], dict[str, Any]],
    settings: Optimisation,
    folder: Path,
    *,
    seed: int,
    **kwargs: Any,
) -> None:
    """Trains `model` in place; goes on from the last state saved in `folder`.

    A run that was broken off and goes on ends with the very weights of an unbroken one (one
    process, CPU): what a batch is corrupted by is drawn by `FixedDraws`. Writes `log.jsonl` (a
    line every ten steps, each loss part by its kind) to `folder`. `kwargs` go to the trainer.
    """
    arguments = TrainingArguments(
        output_dir=str(folder / STATE),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.lr,
        lr_scheduler_type=settings.schedule,
        warmup_steps=round(settings.warmup * settings.steps),
        max_grad_norm=settings.max_grad_norm,
        logging_steps=LOG_EVERY,
        logging_first_step=True,
        save_steps=settings.save_every,
        save_total_limit=1,
        seed=seed,
        data_seed=seed,
        remove_unused_columns=False,
        dataloader_drop_last=True,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to="none",
    )
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not any(module in name.split(".") for module in settings.freeze))
    runner = trainer(
        model,
        args=arguments,
        data_collator=FixedDraws(collate, seed),
        train_dataset=Numbered(rows),
        callbacks=[JsonLog(folder / LOG)],
        optimisation=settings,
        **kwargs,
    )
    runner.remove_callback(PrinterCallback)
    model.train()
    runner.train(resume_from_checkpoint=_last_state(folder / STATE))
    model.eval()


class Numbered(torch.utils.data.Dataset[tuple[int, Any]]):
    """The rows of a data set, each with its number."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[int, Any]:
        return index, self.rows[index]


class FixedDraws:
    """A collate function whose draws are a function of the seed and of the batch's rows alone.

    The loader fetches ahead, so draws from the global generator would depend on where a run was
    broken off: the generator's saved state is already that of the next batch.
    """

    def __init__(self, collate: Callable[[Sequence[Any]], dict[str, Any]], seed: int) -> None:
        self.collate = collate
        self.seed = seed

    def __call__(self, numbered: Sequence[tuple[int, Any]]) -> dict[str, Any]:
        numbers = [number for number, _ in numbered]
        digest = hashlib.sha256(f"{self.seed} {numbers}".encode()).digest()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int.from_bytes(digest[:7], "little"))
            return self.collate([row for _, row in numbered])


def _last_state(folder: Path) -> str | None:
    """The newest saved state that is whole: the Trainer writes `trainer_state.json` last."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json")]
    newest = max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    return None if newest is None else str(newest)


def read_log(path: Path) -> list[dict[str, float]]:
    """The entries of a stage's `log.jsonl`; none if there is no such file.

    A step that was logged twice, before and after a resume, counts once, as it was last.
    """
    lines = path.read_text().splitlines() if path.is_file() else []
    entries = {entry["step"]: entry for entry in map(json.loads, lines)}
    return [entries[step] for step in sorted(entries)]
