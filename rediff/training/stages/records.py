"""Public data, read and checked once, kept in the order they are trained in."""

from __future__ import annotations

import json
from pathlib import Path

from transformers import AutoTokenizer

from rediff.data.mixture import Mixture, Tally, mix, tokenizer_folder
from rediff.data.store import write_store
from rediff.training.settings import RecordsStage
from rediff.training.stages.run import Run

TALLIES = "tallies.json"


def run_records(stage: RecordsStage, run: Run) -> None:
    """Writes the mixture's records, and what was dropped of each source and why."""
    assert stage.mixture is not None
    path = Path(stage.mixture)
    mixture = Mixture.load(path)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder(mixture, path))
    tallies = {name: Tally() for name in mixture.sources}
    write_store(run.folder, mix(mixture, tokenizer, tallies))
    told = {name: tally.to_record() for name, tally in tallies.items()}
    (run.folder / TALLIES).write_text(json.dumps(told, indent=2) + "\n")
