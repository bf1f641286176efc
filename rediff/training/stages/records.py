"""The stage `records`: public data, read and checked once, in the order they are trained in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar, Literal

from transformers import AutoTokenizer

from rediff.data.mixture import Mixture, Tally, mix, tokenizer_folder
from rediff.data.store import write_store
from rediff.training.stages.base import Makes, Run, Stage, register_stage

TALLIES = "tallies.json"


@register_stage("records")
class RecordsStage(Stage):
    """Public data: the sources of a mixture's specification, checked and kept in order.

    `mixture`: its file. `sha256`: of that and of all its data files. `tokenizer`: of a file
    that itself lists pictures with captions (`is_listing`).
    """

    kind: Literal["records"] = "records"
    mixture: str | None = None
    sha256: str | None = None
    tokenizer: str = ""

    makes: ClassVar[Makes] = "records"
    alone: ClassVar[bool] = True
    draws: ClassVar[bool] = False

    def run(self, run: Run) -> None:
        """Writes the records, and the dropped ones of each source with reasons."""
        assert self.mixture is not None
        path = Path(self.mixture)
        mixture = Mixture.load(path, self.tokenizer)
        tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder(mixture, path))
        tallies = {name: Tally() for name in mixture.sources}
        write_store(run.folder, mix(mixture, tokenizer, tallies))
        counts = {name: tally.to_record() for name, tally in tallies.items()}
        (run.folder / TALLIES).write_text(json.dumps(counts, indent=2) + "\n")
