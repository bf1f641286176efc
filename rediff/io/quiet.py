"""Silences the notes and progress bars of libraries."""

from __future__ import annotations

import logging
import os
import sys
import warnings

QUIET = {
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}
"""Variables that transformers, huggingface_hub and datasets read when they are imported."""


def quiet_libraries() -> None:
    """Errors only from transformers, and no progress bars, neither from it nor from datasets.

    They take seconds to import, so the environment says it to those that are not imported yet. A
    user who has set one of these variables is followed.
    """
    asked = {name for name in QUIET if name in os.environ}
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if "transformers" in sys.modules:
        if "TRANSFORMERS_VERBOSITY" not in asked:
            sys.modules["transformers"].logging.set_verbosity_error()
        sys.modules["transformers"].logging.disable_progress_bar()
    if "datasets" in sys.modules:
        sys.modules["datasets"].disable_progress_bars()
    # It writes its warnings to standard output when anything imports it.
    logging.getLogger("DeepSpeed").addFilter(lambda record: record.levelno >= logging.ERROR)
    # Of broken pictures, which are reported elsewhere.
    warnings.filterwarnings("ignore", module="PIL")
