"""transformers' Trainer with the losses and the optimiser of this project."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    PrinterCallback,
    Trainer,
)

from rediff.training.collator import Batch, canvas_logits
from rediff.training.corruption import TokenRole
from rediff.training.data_order import Rows, Schedule
from rediff.training.distributed import on_main_process, process_group
from rediff.training.finite import FiniteGradients, all_finite, not_finite
from rediff.training.json_log import JsonLog
from rediff.training.logs import LOG
from rediff.training.lora import NAME
from rediff.training.losses import (
    ErrorLoss,
    Weighting,
    loss_counts,
    loss_parts,
    loss_sums,
    weights_of,
)
from rediff.training.optimisation import Optimisation
from rediff.training.optimizers import build_optimizer
from rediff.training.saved_states import (
    STATE,
    check_processes,
    last_state,
    remove_partial_states,
)
from rediff.training.self_drafts import SelfDrafts
from rediff.training.sharding import forget, sharding
from rediff.training.sharding.fsdp2 import share_out
from rediff.training.trainer_arguments import training_arguments
from rediff.training.validation import METRIC, Validation, patience


class OwnOptimizerTrainer(Trainer):
    """A Trainer for models that return their own loss, with `build_optimizer`'s optimiser."""

    def __init__(self, model: nn.Module, *, optimisation: Optimisation, **kwargs: Any) -> None:
        super().__init__(model, **kwargs)
        self.network = model
        self.optimisation = optimisation

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()
        if self.args.fsdp_plugin_args is not None:
            share_out(self.accelerator, self.args.fsdp_plugin_args)
            self.is_fsdp_enabled = True

    def _save_rng_state(self, output_dir: str) -> None:
        """Waits for all processes' parts of a state, so that `trainer_state.json` is its end."""
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """Raises NotFiniteError, before anything is updated, for a loss that is not finite."""
        loss = super().training_step(*args, **kwargs)
        if not bool(loss.isfinite()):
            raise not_finite("loss", self.state.global_step + 1, self._rows_of_step())
        return loss

    def _rows_of_step(self) -> list[str]:
        schedule = self.train_dataset
        assert isinstance(schedule, Schedule)
        first = min(self.state.global_step, schedule.steps - 1) * schedule.batch
        return [schedule.name_of(slot) for slot in range(first, first + schedule.batch)]

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            self.optimizer = build_optimizer(self.network, self.optimisation)
        return self.optimizer


class RevisionTrainer(OwnOptimizerTrainer):
    """Takes the loss of batches that `Collator` makes: a sum of means per role of position.

    The means are over the global batch: over all processes and all micro-batches of a step. So
    neither their number nor how rows fall among them changes the loss.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        weights: Mapping[TokenRole, float],
        weighting: Weighting,
        self_drafts: SelfDrafts | None = None,
        errors: ErrorLoss | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, **kwargs)
        self.model_accepts_loss_kwargs = True  # the loss is already that of the global batch
        self.weights = weights_of(weights)
        self.weighting = weighting
        self.self_drafts = self_drafts
        self.errors = errors
        self.seen = torch.zeros(2, len(TokenRole))

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], Tensor]:
        """The micro-batches of a step, with the `loss_counts` of its global batch."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        batches = [self._drafted(batch) for batch in batches]
        own = [loss_counts(batch["role"], weighting=self.weighting) for batch in batches]
        counts = self.accelerator.reduce(torch.stack(own).sum(dim=0).to(device), "sum")
        self.seen = self.seen.to(device)
        self.seen[1] += counts > 0
        return batches, counts

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """This micro-batch's part of the loss, times the number of processes.

        Gradients are averaged over processes afterwards.
        """
        assert isinstance(num_items_in_batch, Tensor)
        parts = loss_parts(self._loss_sums(model, inputs), num_items_in_batch)
        self.seen[0] += parts.detach()
        return (self.weights.to(parts) * parts).sum() * self.accelerator.num_processes

    @torch.no_grad()
    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """The loss on the held-out rows, each with the same draws every time.

        Every process takes as many micro-batches, as sharded weights want it; one that has none
        left computes the first again and leaves it out.
        """
        held, micro = self.eval_dataset, self.args.per_device_train_batch_size
        assert isinstance(held, Schedule)
        starts = range(0, len(held), micro)
        sums = torch.zeros(2, len(TokenRole), device=self.args.device)
        self.model_wrapped.eval()
        for turn in range(0, len(starts), self.accelerator.num_processes):
            number = turn + self.accelerator.process_index
            start = starts[number] if number < len(starts) else 0
            slots: Any = [held[slot] for slot in range(start, min(start + micro, len(held)))]
            batch = self._drafted(self._prepare_inputs(self.data_collator(slots)))
            own = self._loss_sums(self.model_wrapped, batch)
            if number < len(starts):
                counts = loss_counts(batch["role"], weighting=self.weighting)
                sums += torch.stack([own, counts.to(own)])
        self.model_wrapped.train()
        parts = loss_parts(*self.accelerator.reduce(sums, "sum"))
        metrics = {f"eval_{METRIC}": float((self.weights.to(parts) * parts).sum())}
        super().log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _drafted(self, batch: Batch) -> Batch:
        """The batch with words of the model itself in place of random ones."""
        if self.self_drafts is None:
            return batch
        return self.self_drafts(self.model_wrapped, self._prepare_inputs(batch))

    def _loss_sums(self, model: nn.Module, batch: Batch) -> Tensor:
        return loss_sums(
            canvas_logits(model, batch).float(),
            batch["target"],
            batch["role"],
            batch["level"],
            weighting=self.weighting,
            certain=batch["certain"],
            errors=self.errors,
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the mean of each loss part over the steps since the last log that had it."""
        steps = self.seen[1].tolist()
        sums = self.accelerator.reduce(self.seen[0].to(self.args.device), "sum").tolist()
        self.seen.zero_()
        means = {
            f"loss_{role.name.lower()}": sums[role] / steps[role]
            for role in TokenRole
            if steps[role] and role is not TokenRole.IGNORED
        }
        super().log({**logs, **means}, start_time)


def fit(
    trainer: type[OwnOptimizerTrainer],
    model: nn.Module,
    rows: Rows[Any],
    collate: Callable[[Sequence[Any]], Batch],
    settings: Optimisation,
    folder: Path,
    *,
    seed: int,
    lengths: Sequence[int] | None = None,
    held: Rows[Any] | None = None,
    validation: Validation | None = None,
    **kwargs: Any,
) -> None:
    """Trains a model in place; resumes from the last state saved in the folder.

    A run that resumes ends with exactly the weights of an uninterrupted one (one process, CPU);
    neither the number of processes nor that of micro-batches changes the losses of a
    `RevisionTrainer` but for rounding: all that is drawn is fixed by `Schedule`.

    Args:
        trainer: the class of the trainer.
        model: the network.
        rows: the training data.
        collate: makes a micro-batch of rows.
        settings: of the optimisation.
        folder: of the states and of `log.jsonl`, a line every ten steps.
        seed: of the order of the rows and of all that is drawn for them.
        lengths: see `Schedule`.
        held: rows for validation, if there is one.
        validation: how often, and when it ends the training.
        kwargs: go to the trainer.

    Raises:
        ValueError: if so many processes cannot split the batch, or read a state.
        NotFiniteError: if the loss, a gradient or the result is not finite.
    """
    share_with_workers(settings)
    several = process_group().num_processes > 1
    shard = sharding(settings.shard, model) if settings.shard and several else {}
    arguments = training_arguments(settings, folder, seed, validation, **shard)
    choose_trained(model, settings)
    runner = trainer(
        model,
        args=arguments,
        data_collator=collate,
        train_dataset=Schedule(
            rows, batch=settings.batch_size, steps=settings.steps, seed=seed, lengths=lengths
        ),
        eval_dataset=None if held is None else Schedule(held, batch=len(held), steps=1, seed=seed),
        callbacks=[JsonLog(folder / LOG), *patience(validation)],
        optimisation=settings,
        **kwargs,
    )
    runner.remove_callback(PrinterCallback)
    runner.add_callback(FiniteGradients(runner._rows_of_step))
    _train(runner, model, folder / STATE, settings.shard if several else None)
    if shard:
        forget()


def _train(runner: OwnOptimizerTrainer, model: nn.Module, states: Path, shard: str | None) -> None:
    model.train()
    on_main_process(lambda: remove_partial_states(states))
    state = last_state(states)
    check_processes(states, shard, resumed=state is not None)
    runner.train(resume_from_checkpoint=state)
    if not all_finite([p for p in model.parameters() if p.requires_grad]):
        raise not_finite("result", runner.state.global_step, runner._rows_of_step())
    model.eval()


def share_with_workers(settings: Optimisation) -> None:
    """Has the workers that load rows share this process's memory.

    In a process that was spawned they would be spawned, too, and given everything pickled.
    """
    if settings.workers and sys.platform == "linux":
        multiprocessing.set_start_method("fork", force=True)


def choose_trained(model: nn.Module, settings: Optimisation) -> None:
    """Marks which parameters get a gradient: only low-rank updates where a model has any.

    Raises ValueError for a name to freeze that nothing has.
    """
    known = {part for name, _ in model.named_parameters() for part in name.split(".")}
    for module in settings.freeze:
        if module not in known:
            raise ValueError(f"'freeze' names no module of the model: {module!r}")
    for name, parameter in model.named_parameters():
        frozen = any(module in name.split(".") for module in settings.freeze)
        parameter.requires_grad_(NAME in name if settings.lora else not frozen)
