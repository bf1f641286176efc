"""A picture of how a response was written and revised."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rediff.decoding.trace import Trace

MASKED, KEPT, UNMASKED, REVISED = range(4)
COLOURS = ("#ececec", "#ffffff", "#9cc3e6", "#e58fb8")
"""Of a position in a step: masked, kept, unmasked (written), revised."""
LEGEND = ("mask", "kept", "written", "revised")


def plot_trace(trace: Trace | None, path: Path | IO[bytes] | None = None) -> Figure:
    """Draws a trace: a row for each denoising step, a column for each position.

    Args:
        trace: of a response whose words are known; captions made without one have None.
        path: where a PNG is written, if given.

    Returns:
        The matplotlib figure, which notebooks show.

    Raises:
        ValueError: for None.
    """
    if trace is None:
        raise ValueError("there is no trace: caption with trace=True")
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    end = _length(trace)
    states = (~trace.masked).long() * KEPT
    states[trace.unmasked] = UNMASKED
    states[trace.revised] = REVISED
    steps = states.size(0)
    width, height = max(6.0, 0.24 * end + 1.2), max(2.6, 0.24 * steps + 1.8)
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(
        states[:, :end].numpy(),
        cmap=ListedColormap(COLOURS),
        vmin=MASKED,
        vmax=REVISED,
        aspect="auto",
        interpolation="nearest",
    )
    axes.set_xticks(range(end), [trace.words[-1][i] for i in range(end)], rotation=90, fontsize=8)
    axes.set_yticks(range(steps), [str(step + 1) for step in range(steps)], fontsize=8)
    axes.set_xticks([x - 0.5 for x in range(end)], minor=True)
    axes.set_yticks([y - 0.5 for y in range(steps)], minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="both", length=0)
    axes.set_ylabel("denoising step")
    handles = [
        Patch(facecolor=colour, edgecolor="#bbbbbb", label=name)
        for colour, name in zip(COLOURS, LEGEND, strict=True)
    ]
    figure.legend(
        handles=handles, loc="outside upper right", ncols=len(handles), fontsize=8, frameon=False
    )
    if path is not None:
        figure.savefig(path, format="png")
    return figure


def _length(trace: Trace) -> int:
    """Positions up to the first special token of the last step, and at least one."""
    words = trace.words[-1] if trace.words else [""] * trace.tokens.size(1)
    ends = [i for i, word in enumerate(words) if word.startswith("<|")]
    return max(1, min(ends, default=len(words)))
