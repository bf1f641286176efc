"""Settings of an expert on a server."""

from __future__ import annotations

from pydantic import Field

from rediff.llm_client.server import KEY, ServerSpec
from rediff.training.strict import Strict

RUNTIME_ONLY = {
    "batch",
    "concurrency",
    "per_minute",
    "timeout",
    "retries",
    "pause",
    "longest_pause",
    "key_env",
}
"""Settings that change how a reply is obtained, but not the reply."""


class Server(Strict):
    """A model on a server that speaks OpenAI's chat protocol (fields: see `ServerSpec`).

    `structured`: give it the JSON schema of its reply, where it takes one; its replies are read
    as strictly without. `first`: of a segment that occurs several times and whose place is not
    said, take the first one, as the authors' code does. `max_failed`: share of drafts that may be
    left out since the expert would not answer, or not in a form that can be read.
    """

    model: str
    base_url: str | None = None
    thinks: bool = False
    structured: bool = True
    batch: bool = False
    first: bool = False
    max_failed: float = Field(default=0.02, ge=0, le=1)
    concurrency: int = Field(default=8, gt=0)
    per_minute: float | None = Field(default=None, gt=0)
    timeout: float = Field(default=120.0, gt=0)
    retries: int = Field(default=6, ge=0)
    pause: float = Field(default=1.0, ge=0)
    longest_pause: float = Field(default=60.0, ge=0)
    max_tokens: int | None = Field(default=None, gt=0)
    key_env: str = KEY

    def spec(self) -> ServerSpec:
        """How it is reached."""
        own = {"structured", "first", "max_failed"}
        return ServerSpec(**self.model_dump(exclude=own))
