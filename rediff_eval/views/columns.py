"""Which metrics tables and pages show, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rediff_eval.metrics.base import MetricInfo


def shown(measured: Iterable[str], main: str, infos: Mapping[str, MetricInfo]) -> list[str]:
    """The measured metrics that a table shows.

    Args:
        measured: the names of all of them.
        main: comes first.
        infos: of the metrics, in the order of columns; metrics without one follow by name.
    """
    there = set(measured)
    names = [*(name for name in infos if name in there), *sorted(there - infos.keys())]
    kept = [name for name in names if not is_hidden(name, there, infos)]
    return [main, *(name for name in kept if name != main)] if main in there else kept


def is_hidden(name: str, measured: set[str], infos: Mapping[str, MetricInfo]) -> bool:
    """Whether `results.csv` alone has a metric: a part of another, or one that has a better."""
    info = infos.get(name)
    return info is not None and (info.part or info.instead in measured)


def digits(metric: str, infos: Mapping[str, MetricInfo]) -> int:
    """Digits after the point.

    Args:
        metric: its name.
        infos: of registered metrics; another has the default.
    """
    return infos[metric].digits if metric in infos else MetricInfo(metric).digits


def label(metric: str, infos: Mapping[str, MetricInfo]) -> str:
    """The label of an axis."""
    return (infos[metric].label if metric in infos else "") or metric
