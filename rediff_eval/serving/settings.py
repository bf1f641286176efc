"""The limits of a server."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How a server listens, batches and limits.

    `host`, `port`: where it listens; `key`: the bearer token of requests, None for none.
    `steps`: denoising steps of a request that does not say; None for one a token. `urls`: whether
    pictures are fetched from http addresses. `batch`: requests of one batch at most; `wait`:
    seconds for which the first of them waits for others. `queue`: requests of one model that may
    wait; `pixels`: of all pictures that wait for it. `body`: bytes of a request; `patience`:
    seconds for a request to arrive; `grace`: seconds for requests under way once it is to stop.

    Raises ValueError for numbers out of range, and for another address than loopback without a key.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    key: str | None = None
    steps: int | None = None
    urls: bool = False
    batch: int = 16
    wait: float = 0.02
    queue: int = 64
    pixels: int = 400_000_000
    body: int = 32 * 2**20
    patience: float = 30.0
    grace: float = 60.0

    def __post_init__(self) -> None:
        for name in ("batch", "queue", "pixels", "body"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be a whole number from 1 on")
        if not self.is_loopback and not self.key:
            raise ValueError(
                f"{self.host} can be reached from elsewhere: name a key by --api-key-env, or serve"
                " on 127.0.0.1"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether this machine alone can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
