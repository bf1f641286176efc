"""The cost of a model on a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rediff.llm_client.conversation import Reply


@dataclass(slots=True)
class Usage:
    """Counts of a run. `calls` were sent now, `kept` had been answered before, `failed` gave no
    reply. Tokens are those of calls now and of all replies used; `uncounted` replies came without
    their number."""

    calls: int = 0
    kept: int = 0
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    used_in: int = 0
    used_out: int = 0
    uncounted: int = 0

    def use(self, reply: Reply) -> None:
        """Counts a reply that a conversation was given."""
        self.used_in += reply.tokens_in or 0
        self.used_out += reply.tokens_out or 0

    def pay(self, reply: Reply) -> None:
        """Counts a call that was made now."""
        self.calls += 1
        self.failed += reply.error is not None
        self.tokens_in += reply.tokens_in or 0
        self.tokens_out += reply.tokens_out or 0
        self.uncounted += reply.error is None and None in (reply.tokens_in, reply.tokens_out)

    def to_record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}
