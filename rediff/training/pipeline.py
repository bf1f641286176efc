"""Runs a recipe: every stage in a folder of its own, side by side where they allow it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch
from transformers import set_seed

from rediff.io.files import lock
from rediff.io.files import replace as write
from rediff.llm_client.cache import ReplyCache
from rediff.llm_client.probe import probe
from rediff.models.checkpoint import Checkpoint
from rediff.plugins import load_plugins
from rediff.training.distributed import all_gather_flag, on_main_process, process_group
from rediff.training.fingerprint import DONE, fingerprint, is_done
from rediff.training.recipe import Recipe
from rediff.training.reports import Report, read_progress
from rediff.training.saved_states import STATE
from rediff.training.stage_process import begin, process_context
from rediff.training.stages.base import MODEL, Run, needs

LOCK = ".lock"
SETTINGS = "settings.json"
CHECKPOINTS = "checkpoints"


def train(
    recipe: Recipe,
    root: Path,
    *,
    only: Sequence[str] | None = None,
    jobs: int = 2,
    report: Report = lambda progress: None,
) -> list[str]:
    """Runs the stages of a recipe that are not done yet; returns the names of these.

    Processes that torchrun started run each stage together. An unfinished stage resumes from its
    last saved state; a stage made by other settings is made again.

    Args:
        recipe: the stages.
        root: the folder of all stages.
        only: only these stages, whose needs must be done.
        jobs: stages at a time.
        report: called with the progress of each stage.

    Raises:
        ValueError: for an unknown stage, a missing need, or a folder that is not free.
        RuntimeError: naming the stage that failed.
    """
    recipe.check_names(only or ())

    def undone() -> list[str]:
        chosen = (name for name in recipe.stages if only is None or name in only)
        return [name for name in chosen if not is_done(name, recipe, root)]

    _check(undone(), recipe, root, only)
    with _hold(root):
        todo = undone()
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            _train_together(todo, recipe, root, report)
        else:
            _train_side_by_side(todo, recipe, root, jobs, report)
        if only is None:
            on_main_process(lambda: export(recipe, root))
    return todo


@contextmanager
def _hold(root: Path) -> Iterator[None]:
    """Keeps other commands out of `root`: two that train in one folder spoil each other's states.

    Of several processes that train together the first holds it for all.
    """
    if int(os.environ.get("RANK", "0")):
        yield
        return
    root.mkdir(parents=True, exist_ok=True)
    held = lock(root / LOCK)
    if held is None:
        raise ValueError(f"another command is training in {root}: wait for it, or name another")
    with held:
        yield


def _train_together(todo: Sequence[str], recipe: Recipe, root: Path, report: Report) -> None:
    all_gather_flag(True)  # all have looked what is to be done before anything is
    for name in todo:
        with _watching(name, root, report) if process_group().is_main_process else nullcontext():
            _run(name, recipe, root)


@contextmanager
def _watching(name: str, root: Path, report: Report) -> Iterator[None]:
    """Reports every second how far a stage is that this very process works on."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            report(read_progress(name, root))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    report(replace(read_progress(name, root), finished=True))


def _train_side_by_side(
    todo: Sequence[str], recipe: Recipe, root: Path, jobs: int, report: Report
) -> None:
    waiting, running = list(todo), dict[Future[None], str]()
    pool = ProcessPoolExecutor(
        jobs, process_context(), initializer=begin, initargs=(dict(os.environ),)
    )
    with pool:
        while waiting or running:
            ready = [
                name
                for name in waiting
                if all(is_done(need, recipe, root) for need in needs(recipe.stages[name]))
            ]
            for name in ready[: jobs - len(running)]:
                waiting.remove(name)
                running[pool.submit(_run_apart, name, recipe, root)] = name
            finished, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
            for name in running.values():
                report(read_progress(name, root))
            for future in finished:
                name = running.pop(future)
                if error := future.exception():
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise _failure([name, *running.values()], error) from error
                report(replace(read_progress(name, root), finished=True))


def _failure(running: Sequence[str], error: BaseException) -> RuntimeError:
    """An error that names the first of `running`; all, where a process died without a word."""
    if isinstance(error, BrokenProcessPool):
        names = " or ".join(repr(name) for name in running)
        return RuntimeError(f"the process of stage {names} died, maybe for want of memory")
    return RuntimeError(f"stage {running[0]!r} failed: {error}")


def _check(todo: Sequence[str], recipe: Recipe, root: Path, only: Sequence[str] | None) -> None:
    for name in todo:
        folder = root / name
        if any(folder.glob("[!.]*")) and not (folder / SETTINGS).is_file():
            raise ValueError(f"{folder} holds something else than a stage: name another folder")
        for need in needs(recipe.stages[name]):
            if only is not None and need not in todo and not is_done(need, recipe, root):
                raise ValueError(f"stage {name!r} needs {need!r}, which is not done in {root}")
        if server := getattr(recipe.stages[name], "server", None):
            probe(server.spec(), "the expert", with_picture=True)
            ReplyCache(server.spec().cache).check()


def _run_apart(name: str, recipe: Recipe, root: Path) -> None:
    """One stage in a process of its own."""
    load_plugins()
    _run(name, recipe, root)


def _run(name: str, recipe: Recipe, root: Path) -> None:
    """One stage, in one process or in several together."""
    own = fingerprint(name, recipe)
    run = Run(recipe, root, root / name)
    on_main_process(lambda: _prepare(run.folder, own))
    if is_done(name, recipe, root):
        return  # made by these settings before others took its place
    started = time.perf_counter()
    stage = recipe.stages[name]
    set_seed(stage.seed)
    if stage.alone:
        on_main_process(lambda: stage.run(run))
    else:
        stage.run(run)
    on_main_process(lambda: _finish(name, run, own, time.perf_counter() - started))


def _prepare(folder: Path, own: str) -> None:
    """Makes the stage's folder; that of other settings is put aside until the new one is whole."""
    mark, before = folder / SETTINGS, _before(folder)
    if mark.is_file() and mark.read_text() != own:
        if not before.is_dir():
            folder.rename(before)
        elif (folder / DONE).is_file():
            shutil.rmtree(before)
            folder.rename(before)
        else:
            shutil.rmtree(folder)  # a successor that was never whole
    if before.is_dir() and not mark.is_file() and (before / SETTINGS).read_text() == own:
        before.rename(folder)  # back to the settings of before
    folder.mkdir(parents=True, exist_ok=True)
    write(mark, own)


def _before(folder: Path) -> Path:
    """Where a stage's folder is kept until that of other settings in its place is whole."""
    return folder.with_name(f".{folder.name}.before")


def _finish(name: str, run: Run, own: str, seconds: float) -> None:
    done = {
        "fingerprint": own,
        "settings": run.recipe.stages[name].model_dump(mode="json"),
        "seconds": round(seconds, 1),
        "processes": process_group().num_processes,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "memory": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None,
    }
    write(run.folder / DONE, json.dumps(done, indent=2) + "\n")
    shutil.rmtree(run.folder / STATE, ignore_errors=True)
    shutil.rmtree(_before(run.folder), ignore_errors=True)


def export(recipe: Recipe, root: Path) -> None:
    """Copies the recipe's exports to `root/checkpoints`, weights in float16, names as shipped."""
    for name, choice in recipe.export.items():
        checkpoint = Checkpoint.load(root / choice.stage / MODEL)
        checkpoint.with_config(sampler=choice.sampler).save(
            root / CHECKPOINTS / name, dtype=torch.float16
        )
