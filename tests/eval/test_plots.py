"""Loss curves are drawn from the logs there are, and only then."""

import json
from pathlib import Path

from PIL import Image
from programs import inside

from rediff.captioners.known_models import SHIPPED_ORDER
from rediff_eval.views.line_styles import OTHERS, SHIPPED, line_styles
from rediff_eval.views.loss_plot import plot_losses


def test_loss_curves(tmp_path: Path) -> None:
    assert plot_losses(tmp_path, ["base"], tmp_path / "losses.png") is False
    (tmp_path / "base").mkdir()
    entries = [{"step": step, "loss": 1 / step, "loss_mask": 1 / step} for step in (1, 10, 20)]
    (tmp_path / "base" / "log.jsonl").write_text("\n".join(map(json.dumps, entries)))
    assert plot_losses(tmp_path, ["base", "drafts"], tmp_path / "losses.png") is True
    assert Image.open(tmp_path / "losses.png").width > 300


def test_lines_are_told_apart() -> None:
    models = ["base", *(f"m{i}" for i in range(12))]
    samplers = ["refine", "mend", "mask-predict"]
    styles = line_styles([(model, sampler) for model in models for sampler in samplers])
    assert styles["base", "refine"].colour == SHIPPED["base"]
    assert len({style.colour for style in styles.values()}) == 13 * 3
    assert {styles[model, "mend"].marker for model in models} == {"square"}
    assert len({styles["m0", sampler].dash for sampler in samplers}) == 3


def test_a_run_has_its_pictures(untrained: Path, tmp_path: Path) -> None:
    """One line, three, and more than fit in a legend."""
    model = untrained / "diffusion"
    samplers = ("refine", "mend", "mask-predict", "gated", "t2m", "random", "cosine", "margin")
    for number in (1, 3, 8):
        out = tmp_path / str(number)
        chosen = [part for name in samplers[:number] for part in ("--sampler", name)]
        inside(
            "run", "--task", "capture", "--limit", "3", "--steps", "8,4", "--out", out,
            "--model", model, *chosen,
        )  # fmt: skip
        for name in ("quality.png", "front.png"):
            assert Image.open(out / name).width > 500


def test_every_shipped_model_has_its_colour() -> None:
    assert list(SHIPPED) == list(SHIPPED_ORDER)
    assert not set(SHIPPED.values()) & set(OTHERS)
