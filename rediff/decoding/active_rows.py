"""The rows of a batch that are still decoded."""

from __future__ import annotations

import torch
from torch import Tensor

from rediff.decoding.canvas import NotFiniteError, Prediction


class ActiveRows:
    """The rows that are not done, and the forward passes of each.

    They are asked for once a step, together with whether the last prediction was finite: the one
    moment at which `decode_by_rules` waits for a GPU. While they are the same, so is their tensor.
    """

    def __init__(self, rows: int, passes: int) -> None:
        self.nfe = [0] * rows
        self.passes = passes
        self.numbers = torch.empty(0, dtype=torch.long)
        self.on_device = self.numbers

    def begin_step(self, done: Tensor, last: Prediction | None) -> Tensor:
        """The active rows, int64 [b] on the CPU; a pass of each is counted.

        Args:
            done: rows that are finished, bool [B].
            last: the prediction of the step before, or None.

        Raises:
            NotFiniteError: if that was made of logits that are not finite.
        """
        flags = done if last is None else torch.cat([done, last.confidence.isnan().any()[None]])
        known: list[bool] = flags.tolist()
        if any(known[len(done) :]):
            raise NotFiniteError
        numbers = [number for number, is_done in enumerate(known[: len(done)]) if not is_done]
        self.count(numbers)
        if numbers != self.numbers.tolist():
            self.numbers = torch.tensor(numbers, dtype=torch.long)
            self.on_device = self.numbers.to(done.device)
        return self.numbers

    def count(self, numbers: list[int]) -> None:
        """Counts a pass of some rows."""
        for number in numbers:
            self.nfe[number] += self.passes

    def end(self, last: Prediction | None) -> None:
        """Raises NotFiniteError if the last prediction was made of logits that are not finite."""
        if last is not None and bool(last.confidence.isnan().any()):
            raise NotFiniteError
