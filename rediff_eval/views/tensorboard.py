"""A training's logs as TensorBoard shows them."""

from __future__ import annotations

import shutil
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rediff.training.logs import LOG, read_log
from rediff.training.reports import StageReport

FOLDER = "tensorboard"
CLOCK = ("step", "steps", "seconds", "epoch")
"""The keys of a log's entry that are not values."""


class TensorBoardLog:
    """Events of each stage in a folder of its own below `root`; call it with a training's reports.

    Every run writes all of them from the stages' own logs, so that they say no more and no less
    than these. Raises ValueError if TensorBoard is missing.
    """

    def __init__(self, root: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ValueError(
                "`--tensorboard` needs TensorBoard: pip install 'rediff[tensorboard]'"
            ) from error
        self._open = SummaryWriter
        self.root = root
        self._writers: dict[str, Any] = {}
        self._written = defaultdict[str, int](int)
        self._held = ExitStack()

    def __enter__(self) -> TensorBoardLog:
        return self

    def __exit__(self, *exception: object) -> None:
        self._held.close()

    def __call__(self, report: StageReport) -> None:
        """Writes the entries that a stage has logged since the last call about it."""
        entries = read_log(self.root / report.stage / LOG)
        if not report.finished:
            entries = entries[:-1]  # a validation may still be added to the last
        if not entries:
            return
        writer = self._writer(report.stage)
        for entry in entries[self._written[report.stage] :]:
            for name, value in entry.items():
                if name not in CLOCK:
                    writer.add_scalar(name, value, int(entry["step"]))
        self._written[report.stage] = len(entries)
        writer.flush()

    def _writer(self, stage: str) -> Any:
        if stage not in self._writers:
            folder = self.root / FOLDER / stage
            shutil.rmtree(folder, ignore_errors=True)
            self._writers[stage] = self._held.enter_context(self._open(str(folder)))
        return self._writers[stage]
