"""Silences the notes and progress bars of libraries."""

from __future__ import annotations

import os
import sys
import warnings


def quiet_libraries() -> None:
    """Errors only from transformers, and no progress bars, neither from it nor from datasets.

    datasets takes long to import, so it is told by the environment where nothing has imported it.
    """
    import logging

    import transformers

    # It writes its warnings to standard output when anything imports it.
    logging.getLogger("DeepSpeed").addFilter(lambda record: record.levelno >= logging.ERROR)

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    if "datasets" in sys.modules:
        sys.modules["datasets"].disable_progress_bars()
    # Of broken pictures, which are reported elsewhere.
    warnings.filterwarnings("ignore", module="PIL")
