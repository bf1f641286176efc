"""A recipe's settings as transformers' training arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from rediff.training.optimisation import Optimisation
from rediff.training.saved_states import STATE
from rediff.training.validation import METRIC, Validation

LOG_EVERY = 10


def training_arguments(
    settings: Optimisation, folder: Path, seed: int, validation: Validation | None, **more: Any
) -> TrainingArguments:
    """transformers' arguments for a recipe's settings and the processes that are here, with `more`.

    Where the best weights are kept, a state is saved at each validation.

    Raises ValueError if the global batch cannot be split over them.
    """
    chosen = {"save_steps": settings.save_every, **_validating(validation), **more}
    arguments = TrainingArguments(
        output_dir=str(folder / STATE),
        max_steps=settings.steps,
        learning_rate=settings.lr,
        lr_scheduler_type=settings.schedule,
        warmup_steps=round(settings.warmup * settings.steps),
        max_grad_norm=settings.max_grad_norm,
        logging_steps=LOG_EVERY,
        logging_first_step=True,
        save_total_limit=1,
        seed=seed,
        data_seed=seed,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_drop_last=True,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to="none",
        use_cpu=not torch.cuda.is_available(),
        bf16=settings.precision == "bfloat16" and "deepspeed" not in more,
        dataloader_num_workers=settings.workers,
        **chosen,
    )
    if arguments.n_gpu > 1:
        raise ValueError(
            "several GPUs are seen by one process: start one for each with torchrun"
            f" --nproc-per-node {arguments.n_gpu} ..., or hide the others by"
            " CUDA_VISIBLE_DEVICES"
        )
    micro, accumulation = split_batch(settings, arguments.world_size)
    arguments.per_device_train_batch_size = micro
    arguments.gradient_accumulation_steps = accumulation
    return arguments


def _validating(validation: Validation | None) -> dict[str, Any]:
    if validation is None:
        return {}
    chosen: dict[str, Any] = {"eval_strategy": "steps", "eval_steps": validation.every}
    if validation.patience is not None:
        chosen |= {
            "save_steps": validation.every,
            "load_best_model_at_end": True,
            "metric_for_best_model": METRIC,
            "greater_is_better": False,
        }
    return chosen


def split_batch(settings: Optimisation, processes: int) -> tuple[int, int]:
    """Rows of a micro-batch, and micro-batches of each process.

    Args:
        settings: `batch_size` and `micro_batch`.
        processes: that share a global batch.

    Raises:
        ValueError: if they do not make up the global batch.
    """
    micro = settings.micro_batch or max(1, settings.batch_size // processes)
    accumulation, rest = divmod(settings.batch_size, micro * processes)
    if rest or not accumulation:
        raise ValueError(
            f"a global batch of {settings.batch_size} rows does not split into micro-batches of"
            f" {micro} on {processes} processes"
        )
    return micro, accumulation
