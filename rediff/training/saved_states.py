"""The states that a training saves on its way, and who may resume from them."""

from __future__ import annotations

import json
import shutil
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
    """The newest whole state."""
    whole = [state for state in folder.glob("checkpoint-*") if _is_whole(state)]
    newest = max(whole, key=lambda state: int(state.name.rpartition("-")[2]), default=None)
    return None if newest is None else str(newest)


def remove_partial_states(folder: Path) -> None:
    """Removes the states that are not whole: one that is saved at the same step again would be
    written among their files, and look whole too early."""
    for state in folder.glob("checkpoint-*"):
        if not _is_whole(state):
            shutil.rmtree(state)


def _is_whole(state: Path) -> bool:
    """Whether all of a state was written: `trainer_state.json`, after every process's files.

    A process that is killed while it writes that file leaves a part of it, or nothing in it; a
    machine that loses power may leave any file empty.
    """
    note = state / "trainer_state.json"
    try:
        json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return all(path.stat().st_size for path in state.rglob("*") if path.is_file())
