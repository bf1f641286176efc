"""Which models are trainings of one recipe by several seeds."""

from __future__ import annotations

import re

import pandas as pd

_SEED = re.compile(r"-(\d+)(?=/|$)")


def arm_and_seed(name: str) -> tuple[str, int | None]:
    """A model's name without its seed, and the seed.

    A seed is the last number in the name that follows a hyphen and ends a part of the path.

    Examples:
        >>> arm_and_seed("rediff-3"), arm_and_seed("train-1/checkpoints/rediff")
        (('rediff', 3), ('train/checkpoints/rediff', 1))
        >>> arm_and_seed("ReDiff-8B")
        ('ReDiff-8B', None)
    """
    found = list(_SEED.finditer(name))
    if not found:
        return name, None
    start, end = found[-1].span()
    return name[:start] + name[end:], int(found[-1].group(1))


def by_arm(frame: pd.DataFrame) -> pd.DataFrame:
    """Samples' values with the seed of each model in the column `training`.

    Models are called without their seeds. Where a name has none, that of the run's folder is
    taken, and the runs that differ by it become one.

    Args:
        frame: with the columns `model` and `run`.

    Raises:
        ValueError: for a model of which neither name nor run has a seed, and for two of one arm
            with the same seed.
    """
    keys = frame[["run", "model"]].drop_duplicates()
    named = {(run, model): _named(str(run), str(model)) for run, model in keys.itertuples(False)}
    if len(set(named.values())) < len(named):
        arm, seed = max(named.values(), key=list(named.values()).count)[1:]
        raise ValueError(f"seed {seed} of {arm} was measured twice; give each training one run")
    found = [named[key] for key in zip(frame["run"], frame["model"], strict=True)]
    runs, arms, seeds = zip(*found, strict=True)
    return frame.assign(run=runs, model=arms, training=seeds)


def _named(run: str, model: str) -> tuple[str, str, int]:
    arm, seed = arm_and_seed(model)
    if seed is not None:
        return "", arm, seed
    folder, seed = arm_and_seed(run)
    if seed is None:
        raise ValueError(
            f"no seed in the name of {model} or of its run {run}: call trainings NAME-SEED"
        )
    return folder, arm, seed
