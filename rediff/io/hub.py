"""Model folders from a hub: a pinned revision, and only files that hold no code."""

from __future__ import annotations

import re
from pathlib import Path

FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w.-]+)?")


def is_hub_id(text: str) -> bool:
    """Whether `text` has the form OWNER/NAME or OWNER/NAME@REVISION."""
    return HUB_ID.fullmatch(text) is not None


def fetch(text: str, *, code: bool = False) -> Path:
    """The local folder of a hub model, downloaded unless it is in the cache.

    Args:
        text: OWNER/NAME@REVISION, the newest revision where none is given.
        code: fetch its Python files, too.

    Raises:
        FileNotFoundError: if it cannot be fetched; it says how to continue.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = text.partition("@")
    patterns = [*FILES, "*.py"] if code else list(FILES)
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=patterns))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        raise FileNotFoundError(
            f"cannot fetch {text} from the hub ({first_line(error)});"
            " download it where there is a network and give its folder"
        ) from error


def first_line(error: Exception) -> str:
    """The first line of an error's message, without a full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
