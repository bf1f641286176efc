"""Which model, and how its server is reached."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

KEY = "OPENAI_API_KEY"
"""Environment variable of the key, unless another is named."""
CACHE = "REDIFF_CACHE"
"""Environment variable for the cache folder."""


def cache_root() -> Path:
    """The folder of results that took long or cost money, for all runs of a user."""
    place = os.environ.get(CACHE)
    return Path(place) if place else Path.home() / ".cache" / "rediff"


def default_cache() -> Path:
    """Where replies are kept; a folder that has been called so since judges alone were asked."""
    return cache_root() / "judge"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """A model on a server that speaks OpenAI's chat protocol.

    `base_url`: of the server, None for OpenAI's. `concurrency`: calls at once. `per_minute`: calls
    at most, None for no limit. `timeout`: seconds for one call. `retries`: of a call that failed;
    waits double from `pause` seconds up to `longest_pause`, or as long as the server asks for.
    `batch`: by the batch API, half as dear and up to a day late. `thinks`: a
    model that reasons first, which takes no temperature and counts its thoughts among its tokens.
    `max_tokens`: tokens that each reply may have, None for the number in each request. `key_env`:
    environment variable of the key. `cache`: folder of the replies.
    `address`: names the server in the keys of replies, by default its base URL.
    """

    model: str
    base_url: str | None = None
    concurrency: int = 8
    per_minute: float | None = None
    timeout: float = 120.0
    retries: int = 6
    pause: float = 1.0
    longest_pause: float = 60.0
    batch: bool = False
    thinks: bool = False
    max_tokens: int | None = None
    key_env: str = KEY
    cache: Path = field(default_factory=default_cache)
    address: str | None = None

    @property
    def url(self) -> str | None:
        """The server's address, None for OpenAI's."""
        return self.base_url or os.environ.get("OPENAI_BASE_URL") or None

    @property
    def place(self) -> str:
        """The name of the server in the keys of replies."""
        base = self.url or "OpenAI"
        return base if self.address is None else self.address

    @property
    def endpoint(self) -> str:
        """The kind of endpoint with its place."""
        return f"chat.completions {self.place}"
