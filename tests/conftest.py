"""Settings and models that all tests share."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from browsing import open_browser

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As shells start what runs in the background; programs that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--vectors", type=Path, help="Folder of vectors of the same form as the committed ones."
    )


browser = pytest.fixture(scope="module")(open_browser)
"""Closed before the next module: Playwright runs once in a process, and holds its event loop."""


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, installed in a folder of its own: put it on PYTHONPATH."""
    root, folder = Path(__file__).parents[1], tmp_path_factory.mktemp("wheel")
    for arguments in (
        ["build", "--wheel", "--no-isolation", "--outdir", folder, root],
        ["pip", "install", "--no-deps", "--no-index", "--find-links", folder, "--target",
         folder / "site", "rediff"],
    ):  # fmt: skip
        subprocess.run([sys.executable, "-m", *arguments], check=True, capture_output=True)
    return folder / "site"


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two untrained checkpoints, `diffusion` and `autoregressive`."""
    import torch
    from transformers import SiglipImageProcessorPil

    from rediff.data.dialogue import CAPTION_PROMPT
    from rediff.models.chat_format import build_tokenizer
    from rediff.models.checkpoint import Checkpoint
    from rediff.models.config import CaptionerConfig
    from rediff.models.tiny import TinyConfig, build_model
    from rediff.scenes.grammar import vocabulary
    from rediff.scenes.parser import tokenize

    torch.manual_seed(0)
    config = TinyConfig(
        hidden=32, layers=2, heads=2, feed_forward=48, vision_hidden=16, vision_layers=1,
        vision_feed_forward=16, image_size=24, patch_size=8,
    )  # fmt: skip
    tokenizer = build_tokenizer((*vocabulary(), "user", "assistant", *tokenize(CAPTION_PROMPT)))
    folder = tmp_path_factory.mktemp("untrained")
    for kind in ("diffusion", "autoregressive"):
        Checkpoint(
            build_model(config, tokenizer, causal=kind == "autoregressive").eval(),
            tokenizer,
            SiglipImageProcessorPil(size={"height": 24, "width": 24}),
            CaptionerConfig(kind=kind, canvas=16, image_tokens=config.image_tokens),
        ).save(folder / kind)
    return folder
