"""Processes that share work, as torchrun, accelerate and Slurm start them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rank:
    """This process, `index` of `world`; `local` counts on its machine, and picks its GPU."""

    index: int = 0
    world: int = 1
    local: int = 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Rank:
        """From RANK and WORLD_SIZE (torchrun, accelerate), else from Slurm's variables of a step.

        Raises ValueError if they contradict each other.
        """
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        if "RANK" not in environment and int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
            names = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
        index, world, local = (
            int(environment.get(name, default))
            for name, default in zip(names, ("0", "1", "0"), strict=True)
        )
        if not 0 <= index < world:
            raise ValueError(f"{names[0]} is {index}, but {names[1]} is {world}")
        return cls(index, world, local)

    def owns(self, name: str) -> bool:
        """Whether a piece of work is this process's: decided by a hash of its name alone."""
        digest = hashlib.sha256(name.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.world == self.index

    @property
    def leads(self) -> bool:
        """Whether this process waits for the others, and does the work of a single process."""
        return self.index == 0
