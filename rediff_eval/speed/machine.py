"""Memory and energy, where the machine tells them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

RAPL = Path("/sys/class/powercap")


class PeakMemory:
    """Bytes that were held on a GPU at the peak of some work, beyond those held before it.

    Not known on a CPU, whose allocator keeps freed memory, so that a process tells of all
    that it did before; `benchmarks/decode.py` measures there, each way in a process of its own.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.before = 0

    def start(self) -> None:
        """Begins the work."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
            self.before = torch.cuda.memory_allocated(self.device)

    def beyond(self) -> int | None:
        """The peak since the start; None where it is not known."""
        if self.device.type != "cuda":
            return None
        return max(0, torch.cuda.max_memory_allocated(self.device) - self.before)


def energy_meter(device: torch.device) -> Callable[[], float] | None:
    """A function that gives joules since some moment, or None where they cannot be read.

    Of the GPU by NVML, or of the CPU's package by RAPL, in which all that runs on it counts.
    """
    return _gpu_energy(device) if device.type == "cuda" else _cpu_energy(RAPL)


def _gpu_energy(device: torch.device) -> Callable[[], float] | None:
    try:
        nvml: Any = importlib.import_module("pynvml")
        nvml.nvmlInit()
        card = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        handle = nvml.nvmlDeviceGetHandleByUUID(card)
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except ImportError:
        return None
    except nvml.NVMLError:
        return None
    return lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3


def _cpu_energy(root: Path) -> Callable[[], float] | None:
    """The sum of all packages; a counter that has started again is noticed."""
    packages = [
        domain
        for domain in sorted(root.glob("*-rapl:[0-9]"))
        if (domain / "name").read_text().startswith("package")  # "psys" would count them again
    ]
    last: dict[Path, int] = {}
    total = 0.0

    def read() -> float:
        nonlocal total
        for package in packages:
            now = int((package / "energy_uj").read_text())
            span = int((package / "max_energy_range_uj").read_text())
            total += (now - last.get(package, now)) % (span + 1)
            last[package] = now
        return total / 1e6

    try:
        read()
    except OSError:
        return None
    return read if packages else None
