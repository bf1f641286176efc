"""The states that a training saves on its way, and who may resume from them."""

from __future__ import annotations

import json
from pathlib import Path

from rediff.io.files import replace
from rediff.training.distributed import on_main_process, process_group

STATE = "trainer"
"""Folder of the states in that of a stage."""
PROCESSES = "processes.json"


def check_processes(folder: Path, shard: str | None, *, resumed: bool) -> None:
    """Records how many processes save their states here, and whether these are sharded.

    Raises ValueError, before anything is loaded, if a state to resume from was sharded in
    another way: such a state is read by just as many processes.
    """
    note, count = folder / PROCESSES, process_group().num_processes
    if resumed and note.is_file():
        saved = json.loads(note.read_text(encoding="utf-8"))
        if (saved["shard"] or shard) and saved != {"processes": count, "shard": shard}:
            how = f"shard: {saved['shard']}" if saved["shard"] else "no sharding"
            raise ValueError(
                f"{folder} was saved by {saved['processes']} processes with {how}: resume with as"
                f" many (torchrun --nproc-per-node {saved['processes']} ...), or delete {folder} to"
                " begin this stage again"
            )

    def write() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        replace(note, json.dumps({"processes": count, "shard": shard}))

    on_main_process(write)


def last_state(folder: Path) -> str | None:
    """The newest complete state: `trainer_state.json` is written last, after every process's files.

    A process that is killed while it writes that file leaves a part of it, or nothing in it; a
    machine that loses power may leave any file empty.
    """
    notes = folder.glob("checkpoint-*/trainer_state.json")
    whole = [path.parent for path in notes if _is_json(path) and not _has_empty_file(path.parent)]
    newest = max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    return None if newest is None else str(newest)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def _has_empty_file(folder: Path) -> bool:
    return any(path.is_file() and not path.stat().st_size for path in folder.rglob("*"))
