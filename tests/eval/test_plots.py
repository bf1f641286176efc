"""Loss curves are drawn from the logs there are, and only then."""

import json
from pathlib import Path

from PIL import Image

from rediff_eval.views.plots import COLOURS, colours_of, plot_losses


def test_loss_curves(tmp_path: Path) -> None:
    assert plot_losses(tmp_path, ["base"], tmp_path / "losses.png") is False
    (tmp_path / "base").mkdir()
    entries = [{"step": step, "loss": 1 / step, "loss_mask": 1 / step} for step in (1, 10, 20)]
    (tmp_path / "base" / "log.jsonl").write_text("\n".join(map(json.dumps, entries)))
    assert plot_losses(tmp_path, ["base", "drafts"], tmp_path / "losses.png") is True
    assert Image.open(tmp_path / "losses.png").width > 300


def test_models_are_told_apart() -> None:
    colours = colours_of(["base", *(f"m{i}" for i in range(12)), "m0"])
    assert colours["base"] == COLOURS["base"]
    assert len({colours[f"m{i}"] for i in range(12)}) == 12
