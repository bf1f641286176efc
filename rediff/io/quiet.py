"""Silences the notes and progress bars of libraries."""

from __future__ import annotations

import warnings


def quiet_libraries() -> None:
    """Errors only from transformers and datasets, and none of their progress bars."""
    import logging

    import datasets
    import transformers

    # It writes its warnings to standard output when anything imports it.
    logging.getLogger("DeepSpeed").addFilter(lambda record: record.levelno >= logging.ERROR)

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    warnings.filterwarnings("ignore", module="PIL")  # of broken pictures, which are told apart
