"""Memory and energy, where the machine tells them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RAPL = Path("/sys/class/powercap")


class PeakMemory:
    """Bytes that were held at the peak of some work, beyond what was held before it.

    On a GPU torch's own count; on Linux the process's resident memory, whose peak the kernel
    forgets on request; not known elsewhere. What an allocator keeps for later counts as held, so
    the first work of its kind tells most.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.before = 0

    def start(self) -> None:
        """Begins the work."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            self.before = torch.cuda.memory_allocated(self.device)
        elif RESET.exists():
            RESET.write_text("5")
            self.before = _resident("VmRSS")

    def beyond(self) -> int | None:
        """The peak since the start; None where it is not known."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) - self.before
        return max(0, _resident("VmHWM") - self.before) if RESET.exists() else None


def _resident(name: str) -> int:
    line = next(row for row in STATUS.read_text().splitlines() if row.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])


def energy_meter(device: torch.device) -> Callable[[], float] | None:
    """A function that gives joules since some moment, or None where they cannot be read.

    Of the GPU by NVML, or of the CPU's package by RAPL, in which all that runs on it counts.
    """
    return _gpu_energy(device) if device.type == "cuda" else _cpu_energy(RAPL)


def _gpu_energy(device: torch.device) -> Callable[[], float] | None:
    try:
        nvml: Any = importlib.import_module("pynvml")
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByIndex(device.index or 0)
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except ImportError:
        return None
    except nvml.NVMLError:
        return None
    return lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3


def _cpu_energy(root: Path) -> Callable[[], float] | None:
    """The sum of all packages; a counter that has begun anew since the last reading is noticed."""
    packages = sorted(root.glob("*-rapl:[0-9]"))
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
